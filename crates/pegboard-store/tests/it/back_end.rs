//! Which back ends there are in this run of the tests, and a fresh store on each.

use std::future::Future;

use pegboard_store::{Store, StoreOptions};

/// A store of its own for one test, and how to open it again.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) options: StoreOptions,
}

/// Runs the test on every back end that this machine has, and says on which.
pub(crate) async fn on_each<F: Future<Output = ()>>(test: impl Fn(World) -> F) {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions::local(directory.path().join("data"));
    let store = Store::open(options.clone()).await.unwrap();
    println!("on SQLite and a folder");
    test(World { store, options }).await;
}
