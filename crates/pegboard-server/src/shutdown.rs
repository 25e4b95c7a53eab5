//! One word that spreads: stop.

use tokio_util::sync::CancellationToken;

/// Told once that the server stops; everybody who waits hears it. Cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Says it.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether it has been said.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits for it.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }

    /// Waits for it without borrowing, for streams that end with it.
    pub(crate) fn begun_owned(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.clone().cancelled_owned()
    }
}
