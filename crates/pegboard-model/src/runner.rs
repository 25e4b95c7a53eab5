//! The port through which everybody calls plugins.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::call::{Call, CallEvent};
use crate::id::PluginName;
use crate::value::Value;

/// Runs calls on plugins, wherever those live: in local workers (engine), in remote ones (hub), on a cluster.
///
/// Contract: the stream yields events in order and ends after exactly one [`CallEvent::Finished`] or [`CallEvent::Failed`].
/// Dropping it before then cancels the call: the plugin is asked to stop and after a grace its worker is ended. A call to a
/// plugin that does not exist, is parked or does not load ends with a `Failed`, never with a hang.
pub trait PluginRunner: Send + Sync + 'static {
    /// Queues the call; it begins when a worker of the plugin is free.
    fn call(&self, call: Call) -> BoxStream<'static, CallEvent>;

    /// How many calls of this plugin can run at once. At least one.
    fn slots(&self, plugin: &PluginName) -> usize;

    /// The plugin that owns the module of a dotted target; [`PluginName::base`] when none does.
    fn owner(&self, target: &str) -> PluginName;

    /// Which version of the plugin's distribution a call that begins now would meet; none when nobody can say.
    fn release(&self, plugin: &PluginName) -> Option<String> {
        let _ = plugin;
        None
    }

    /// What changes whenever the code behind a target may have changed; none when nobody can say.
    fn version(&self, target: &str) -> BoxFuture<'static, Option<String>> {
        let _ = target;
        futures::future::ready(None).boxed()
    }

    /// The bytes of a value, for whoever compares or keeps values; none when they cannot be read.
    fn content(&self, value: &Value) -> BoxFuture<'static, Option<Bytes>> {
        let content = match value {
            Value::Inline(bytes) => Some(bytes.clone()),
            Value::Object(_) => None,
        };
        futures::future::ready(content).boxed()
    }

    /// A large value of which `content` has told the bytes; none when there is no room for it.
    fn object(&self, content: Bytes) -> BoxFuture<'static, Option<Value>> {
        let _ = content;
        futures::future::ready(None).boxed()
    }
}
