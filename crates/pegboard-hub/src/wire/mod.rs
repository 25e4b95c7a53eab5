//! What goes over a connection, as values: no socket, no clock (Ango specification, sections 2.1 to 2.8).

pub mod event;
pub mod lenient;
pub mod packet;
