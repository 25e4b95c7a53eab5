//! The listening socket: inherited from whoever keeps it, or opened here.
//!
//! Clients of remote plugins end when a reconnect is refused. So a socket can be kept over a restart: by systemd or another program
//! that passes `LISTEN_FDS`, or by the server itself, which becomes its own successor (see `serve`).

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use listenfd::ListenFd;
use pegboard_model::Error;
use tokio::net::TcpListener;

/// The socket, and whether it was kept from before.
pub(crate) async fn open(listen: SocketAddr) -> Result<(TcpListener, bool), Error> {
    let inherited = ListenFd::from_env().take_tcp_listener(0).map_err(|error| {
        Error::unavailable("cannot-listen", format!("cannot listen on the socket that was passed: {error}"))
            .hint("pass one TCP socket, or unset LISTEN_FDS")
    })?;
    let Some(socket) = inherited else {
        return TcpListener::bind(listen).await.map(|listener| (listener, false)).map_err(|error| cannot_listen(listen, &error));
    };
    let address = socket.local_addr().map_err(|error| cannot_listen(listen, &error))?;
    let listener = socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket));
    listener.map(|listener| (listener, true)).map_err(|error| cannot_listen(address, &error))
}

/// The socket as the next program finds it, whose process id is ours: as standard input, because that needs no system call that we
/// would have to make ourselves.
pub(crate) fn pass_on(command: &mut Command, socket: OwnedFd) {
    command
        .stdin(Stdio::from(socket))
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDS_FIRST_FD", "0")
        .env("LISTEN_PID", std::process::id().to_string());
}

pub(crate) fn cannot_listen(listen: SocketAddr, error: &std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        return Error::conflict("port-in-use", format!("cannot listen on {listen}: somebody else does"))
            .hint("stop the other one, or choose another port with `--listen 127.0.0.1:PORT` (0 takes a free one)");
    }
    Error::unavailable("cannot-listen", format!("cannot listen on {listen}: {error}"))
        .hint("choose another address with `--listen`")
}
