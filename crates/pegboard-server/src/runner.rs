//! One `PluginRunner` of two: calls go to the hub when their plugin is a remote one, else to the engine.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use pegboard_hub::Hub;
use pegboard_model::{Call, CallEvent, PluginName, PluginRunner, Value};

/// Joins local and remote plugins. A remote plugin's name is its id.
pub struct RunnerRouter {
    local: Arc<dyn PluginRunner>,
    hub: Hub,
}

impl RunnerRouter {
    /// Of these two.
    #[must_use]
    pub fn new(local: Arc<dyn PluginRunner>, hub: Hub) -> Self {
        Self { local, hub }
    }

    fn of(&self, plugin: &PluginName) -> &dyn PluginRunner {
        if self.hub.named(plugin).is_some() { &self.hub } else { &*self.local }
    }
}

impl PluginRunner for RunnerRouter {
    fn call(&self, call: Call) -> BoxStream<'static, CallEvent> {
        self.of(&call.plugin).call(call)
    }

    fn slots(&self, plugin: &PluginName) -> usize {
        self.of(plugin).slots(plugin)
    }

    fn owner(&self, target: &str) -> PluginName {
        self.local.owner(target)
    }

    fn release(&self, plugin: &PluginName) -> Option<String> {
        self.local.release(plugin)
    }

    fn version(&self, target: &str) -> BoxFuture<'static, Option<String>> {
        self.local.version(target)
    }

    fn content(&self, value: &Value) -> BoxFuture<'static, Option<Bytes>> {
        self.local.content(value)
    }

    fn object(&self, content: Bytes) -> BoxFuture<'static, Option<Value>> {
        self.local.object(content)
    }
}
