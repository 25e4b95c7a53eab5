//! The command `pegboard`: parse, settings, parts, run.

#![forbid(unsafe_code)]

mod administration;
mod apply;
mod arguments;
mod catalog;
mod check;
mod client;
mod config;
mod demo;
mod dev;
mod doctor;
mod events;
mod failure;
mod follow;
mod hub;
mod listen;
mod new;
mod new_panel;
mod output;
mod people;
mod plugin;
mod project;
mod resources;
mod run;
mod runs;
mod serve;
mod start;
mod usage;
mod watch;

use std::process::ExitCode;

use clap::CommandFactory as _;
use pegboard_server::Settings;

use crate::administration::AdministrationCommand;
use crate::arguments::{Arguments, Command, PluginCommand, RunCommand};
use crate::client::{Client, key_of_this_machine};
use crate::failure::CommandFailure;
use crate::output::Output;

fn main() -> ExitCode {
    let arguments = match usage::read() {
        Ok(arguments) => arguments,
        Err(failure) => return ExitCode::from(failure.exit),
    };
    let output = Output::new(arguments.json);
    match execute(arguments, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit)
        }
    }
}

fn execute(arguments: Arguments, output: &Output) -> Result<(), CommandFailure> {
    let settings = || Settings::load(&arguments.sources()).map_err(CommandFailure::usage);
    match &arguments.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "pegboard", &mut script);
            output.raw(&String::from_utf8_lossy(&script));
            Ok(())
        }
        Command::Config { reference: true, .. } if output.json => {
            output.data(&serde_json::json!({ "settings": pegboard_server::config::described() }));
            Ok(())
        }
        Command::Config { reference: true, .. } => {
            output.raw(&pegboard_server::config::reference());
            Ok(())
        }
        Command::Config { .. } => config::print(&settings()?, output),
        Command::Doctor => on_this_thread(doctor::examine(&settings()?, output)),
        Command::Check { place, .. } => {
            let settings = settings()?;
            on_threads(settings.server.threads, check::check(settings, place, output))
        }
        Command::Administration(command @ AdministrationCommand::Restore { .. }) => {
            let settings = settings()?;
            on_threads(settings.server.threads, administration::restore(&settings, command, output))
        }
        Command::Serve { .. } => {
            let settings = settings()?;
            on_threads(settings.server.threads, serve::serve(settings, output))
        }
        Command::Demo { once, .. } => {
            let settings = settings()?;
            on_threads(settings.server.threads, demo::demo(settings, *once, output))
        }
        Command::New { command } => new::write_new(command, output),
        Command::Dev(dev) => {
            let settings = settings()?;
            on_threads(settings.server.threads, dev::dev(settings, dev, output))
        }
        _ => {
            let settings = settings()?;
            on_this_thread(ask(&arguments, &settings, output))
        }
    }
}

/// Commands that speak to a server.
async fn ask(arguments: &Arguments, settings: &Settings, output: &Output) -> Result<(), CommandFailure> {
    let key = match arguments.key()? {
        Some(key) => Some(key),
        None => key_of_this_machine(&settings.server.data, &settings.server.url).await,
    };
    let client = Client::new(&settings.server.url, key)?;
    match &arguments.command {
        Command::Install(install) => plugin::install(&client, install, output).await,
        Command::Upgrade { name, requirement, index_url, .. } => {
            plugin::upgrade(&client, name, requirement.as_deref(), index_url.as_deref(), output).await
        }
        Command::Uninstall { name, .. } => plugin::uninstall(&client, name, output).await,
        Command::Plugins { .. } => plugin::list(&client, output).await,
        Command::Plugin { command: PluginCommand::Show { name, .. } } => plugin::show(&client, name, output).await,
        Command::Plugin { command: PluginCommand::Reload { name, .. } } => plugin::reload(&client, name, output).await,
        Command::Catalog { command } => catalog::catalog(&client, command, output).await,
        Command::Hub { command } => hub::hub(&client, command, output).await,
        Command::Apply { files, dry_run, .. } => apply::apply(&client, files, *dry_run, output).await,
        Command::Workflows { .. } => resources::workflows(&client, output).await,
        Command::Configs { .. } => resources::configs(&client, output).await,
        Command::Triggers { .. } => resources::triggers(&client, output).await,
        Command::Show { kind, name, .. } => resources::show(&client, *kind, name, output).await,
        Command::Delete { kind, name, .. } => resources::delete(&client, *kind, name, output).await,
        Command::Events { after, follow, .. } => events::events(&client, *after, *follow, output).await,
        Command::Run(run) => match &run.command {
            Some(RunCommand::Show { id, .. }) => runs::show(&client, id, output).await,
            Some(RunCommand::Delete { id, .. }) => runs::delete(&client, id, output).await,
            None => run::run(&client, run, output).await,
        },
        Command::Runs { workflow, state, limit, .. } => {
            runs::list(&client, workflow.as_deref(), state.as_deref(), *limit, output).await
        }
        Command::Logs { run, follow, selection, .. } => runs::logs(&client, run, *follow, selection, output).await,
        Command::Cancel { run, .. } => runs::cancel(&client, run, output).await,
        Command::Project { command } => project::project(&client, command, output).await,
        Command::Key { command } => project::key(&client, command, output).await,
        Command::Storage { command } => project::storage(&client, command, output).await,
        Command::Administration(command) => administration::administration(&client, command, output).await,
        Command::User { command } => people::user(&client, command, output).await,
        Command::Organization { command } => people::organization(&client, command, output).await,
        Command::Audit(audit) => people::audit(&client, audit, output).await,
        Command::Serve { .. }
        | Command::Demo { .. }
        | Command::Config { .. }
        | Command::New { .. }
        | Command::Dev(_)
        | Command::Check { .. }
        | Command::Doctor
        | Command::Completions { .. } => Ok(()),
    }
}

fn on_this_thread<F: Future<Output = Result<(), CommandFailure>>>(work: F) -> Result<(), CommandFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandFailure::no_runtime)?;
    let result = runtime.block_on(work);
    // A reader of standard input may be blocked for ever: it is not waited for.
    runtime.shutdown_background();
    result
}

fn on_threads<F: Future<Output = Result<(), CommandFailure>>>(threads: usize, work: F) -> Result<(), CommandFailure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("pegboard")
        .enable_all()
        .build()
        .map_err(CommandFailure::no_runtime)?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}
