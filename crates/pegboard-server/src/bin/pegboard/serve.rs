//! `pegboard serve`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use pegboard_model::Error;
use pegboard_server::Settings;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::failure::{CommandFailure, STOPPED};
use crate::listen;
use crate::output::Output;
use crate::start::Server;

pub(crate) async fn serve(settings: Settings, output: &Output) -> Result<(), CommandFailure> {
    log_to_stderr(&settings);
    let mut signals = Signals::new()?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let data = settings.server.data.display().to_string();
    let server = Server::start(settings).await?;
    tracing::info!(data = data, "ready");
    output.told(&format!("listening on {}", server.url()));
    if let Some(link) = server.first_link().await? {
        output.note(&format!("nobody has a password yet: the first admin chooses one at {link} (good once, for three days)"));
    }
    let mut restart = Signals::restart()?;
    tokio::select! {
        () = signals.next() => stop(server, &mut signals, output).await,
        _ = restart.recv() => succeed(server, output).await,
    }
}

/// Stops in order and becomes the program that lies at our own path now, with the same words and the same listening socket. Who
/// connects meanwhile waits in the socket's queue: clients of remote plugins end when they are refused.
async fn succeed(server: Server, output: &Output) -> Result<(), CommandFailure> {
    output.note("restarting; the listening socket stays open");
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_else(|| "pegboard".into());
    #[expect(clippy::disallowed_methods, reason = "this process becomes the new one: nothing is left to supervise it")]
    let mut command = Command::new(&program);
    listen::pass_on(command.args(words), server.stop().await);
    let error = command.exec();
    let program = program.to_string_lossy().into_owned();
    Err(Error::unavailable("cannot-restart", format!("cannot start `{program}` again: {error}"))
        .hint("start the server by hand; its data is safe")
        .into())
}

/// Stops in order; a second signal ends the process at once.
pub(crate) async fn stop(server: Server, signals: &mut Signals, output: &Output) -> Result<(), CommandFailure> {
    output.note("stopping; Ctrl-C again ends at once");
    tokio::select! {
        _socket = server.stop() => Ok(()),
        // Workers die with us: the kernel tells them.
        () = signals.next() => std::process::exit(i32::from(STOPPED)),
    }
}

/// Log events go to standard error, filtered and formed as set.
pub(crate) fn log_to_stderr(settings: &Settings) {
    let filter = EnvFilter::try_new(&settings.log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // Fails when a subscriber is set already, which only tests do.
    let _ = if settings.log.json { builder.json().try_init() } else { builder.try_init() };
}

/// SIGINT and SIGTERM.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, Error> {
        let listen =
            |kind| signal(kind).map_err(|error| Error::internal("signals", format!("cannot listen for signals: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// SIGUSR2.
    fn restart() -> Result<Signal, Error> {
        signal(SignalKind::user_defined2())
            .map_err(|error| Error::internal("signals", format!("cannot listen for signals: {error}")))
    }

    /// Waits for either.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
