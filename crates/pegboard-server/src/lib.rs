//! Every listening socket.
