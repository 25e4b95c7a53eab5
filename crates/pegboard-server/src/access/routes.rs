//! Routes that cannot be added without saying who may ask for them.
//!
//! Reading asks for a viewer and everything else for a member, unless [`Methods::needs`] says otherwise. [`get`], [`post`], [`put`] and
//! [`delete`] stand in for axum's functions of the same names; nothing else of this crate makes a router, which a test checks.

use std::collections::HashMap;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::MethodRouter;

use super::rule::{Access, Realm};
use crate::app::App;

/// One method of one path, and who may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// GET stands for HEAD too.
    pub method: Method,
    /// The pattern, such as `/api/v1/runs/{id}`.
    pub path: &'static str,
    /// What it asks for.
    pub access: Access,
    /// Whose things it is about.
    pub realm: Realm,
}

/// What each route asks for, by its pattern.
pub(crate) type Table = HashMap<&'static str, Vec<Route>>;

/// The handlers of one path.
pub(crate) struct Methods {
    router: MethodRouter<App>,
    rules: Vec<(Method, Access)>,
}

/// Paths with their handlers.
pub(crate) struct Routes {
    router: Router<App>,
    table: Vec<Route>,
}

/// Begins with what GET answers.
pub(crate) fn get<H: Handler<T, App>, T: 'static>(handler: H) -> Methods {
    Methods::new().get(handler)
}

/// Begins with what POST answers.
pub(crate) fn post<H: Handler<T, App>, T: 'static>(handler: H) -> Methods {
    Methods::new().post(handler)
}

/// Begins with what PUT answers.
pub(crate) fn put<H: Handler<T, App>, T: 'static>(handler: H) -> Methods {
    Methods::new().put(handler)
}

/// Begins with what DELETE answers.
pub(crate) fn delete<H: Handler<T, App>, T: 'static>(handler: H) -> Methods {
    Methods::new().delete(handler)
}

impl Methods {
    fn new() -> Self {
        Self { router: MethodRouter::new(), rules: Vec::new() }
    }

    fn with(mut self, method: Method, router: impl FnOnce(MethodRouter<App>) -> MethodRouter<App>) -> Self {
        let access = if method == Method::GET { Access::Viewer } else { Access::Member };
        self.rules.push((method, access));
        Self { router: router(self.router), rules: self.rules }
    }

    pub(crate) fn get<H: Handler<T, App>, T: 'static>(self, handler: H) -> Self {
        self.with(Method::GET, |router| router.get(handler))
    }

    pub(crate) fn post<H: Handler<T, App>, T: 'static>(self, handler: H) -> Self {
        self.with(Method::POST, |router| router.post(handler))
    }

    pub(crate) fn put<H: Handler<T, App>, T: 'static>(self, handler: H) -> Self {
        self.with(Method::PUT, |router| router.put(handler))
    }

    pub(crate) fn patch<H: Handler<T, App>, T: 'static>(self, handler: H) -> Self {
        self.with(Method::PATCH, |router| router.patch(handler))
    }

    pub(crate) fn delete<H: Handler<T, App>, T: 'static>(self, handler: H) -> Self {
        self.with(Method::DELETE, |router| router.delete(handler))
    }

    /// What all methods so far ask for.
    pub(crate) fn needs(mut self, access: Access) -> Self {
        self.rules.iter_mut().for_each(|(_, asked)| *asked = access);
        self
    }

    /// Methods that ask for something else.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.rules.extend(others.rules);
        Self { router: self.router.merge(others.router), rules: self.rules }
    }

    /// The largest body that they take, in bytes.
    pub(crate) fn body_limit(self, bytes: usize) -> Self {
        Self { router: self.router.layer(DefaultBodyLimit::max(bytes)), rules: self.rules }
    }
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), table: Vec::new() }
    }

    /// Adds a path.
    pub(crate) fn route(mut self, path: &'static str, methods: Methods) -> Self {
        let rules = methods.rules.into_iter();
        self.table.extend(rules.map(|(method, access)| Route { method, path, access, realm: Realm::Organization }));
        Self { router: self.router.route(path, methods.router), table: self.table }
    }

    /// Adds all of the others.
    pub(crate) fn merge(mut self, others: Self) -> Self {
        self.table.extend(others.table);
        Self { router: self.router.merge(others.router), table: self.table }
    }

    /// What all so far ask for.
    pub(crate) fn need(mut self, access: Access) -> Self {
        self.table.iter_mut().for_each(|route| route.access = access);
        self
    }

    /// All so far are about the server's own things.
    pub(crate) fn of_the_server(mut self) -> Self {
        self.table.iter_mut().for_each(|route| route.realm = Realm::Server);
        self
    }

    /// Something around all of them, such as compression.
    pub(crate) fn wrapped(self, wrap: impl FnOnce(Router<App>) -> Router<App>) -> Self {
        Self { router: wrap(self.router), table: self.table }
    }

    /// What they ask for, in the order in which they were added.
    pub(crate) fn table(&self) -> &[Route] {
        &self.table
    }

    /// The router, and what each of its routes asks for.
    pub(crate) fn into_parts(self) -> (Router<App>, Table) {
        let mut table = Table::new();
        for route in self.table {
            table.entry(route.path).or_default().push(route);
        }
        (self.router, table)
    }
}

/// The rule for a request, by the pattern that its path matched. HEAD is GET without a body.
pub(super) fn rule<'a>(table: &'a Table, pattern: &str, method: &Method) -> Option<&'a Route> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    table.get(pattern)?.iter().find(|route| route.method == *method)
}
