//! Reads the command line, and says what is wrong with it: to people as clap does, to programs as JSON.

use std::ffi::OsString;

use clap::Parser as _;
use clap::error::ErrorKind;
use pegboard_model::Error;

use crate::arguments::Arguments;
use crate::failure::CommandFailure;
use crate::output::Output;

/// The arguments of this process. Ends it with what was asked for (help, version) or with status 2.
pub(crate) fn read() -> Result<Arguments, CommandFailure> {
    let words: Vec<OsString> = std::env::args_os().collect();
    Arguments::try_parse_from(without_help_for_help(&words)).map_err(|error| {
        let is_asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        if is_asked_for || !wants_json(&words) {
            error.exit();
        }
        let failure = CommandFailure::usage(refusal(&error));
        Output::new(true).failure(&failure);
        CommandFailure::silent(failure.exit)
    })
}

/// `pegboard help --help` means `pegboard help`.
fn without_help_for_help(words: &[OsString]) -> Vec<OsString> {
    let is_help = words.get(1).is_some_and(|first| first == "help");
    words.iter().filter(|word| !is_help || (*word != "--help" && *word != "-h")).cloned().collect()
}

/// Whether `--json` stands there, which a line that cannot be read does not say otherwise.
fn wants_json(words: &[OsString]) -> bool {
    words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json")
}

/// clap's words: the first paragraph is what is wrong, the tips are what to do.
fn refusal(error: &clap::Error) -> Error {
    if matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand) {
        return Error::invalid("usage", "a command is missing").hint("`pegboard --help` lists the commands");
    }
    let text = error.to_string();
    let mut paragraphs = text.trim_start_matches("error: ").split("\n\n").map(|part| {
        let lines: Vec<&str> = part.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join(" ")
    });
    let message = paragraphs.next().unwrap_or_default();
    let rest: Vec<String> = paragraphs.collect();
    let tips: Vec<&str> = rest.iter().filter_map(|part| part.strip_prefix("tip: ")).collect();
    let usage = rest.iter().find_map(|part| part.strip_prefix("Usage: "));
    let hint = match (tips.is_empty(), usage) {
        (false, _) => tips.join("; "),
        (true, Some(usage)) => format!("write `{usage}`; `--help` says more"),
        (true, None) => "`--help` says what may be written".to_owned(),
    };
    Error::invalid("usage", message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn what_is_wrong_is_told_in_a_sentence() {
        for (line, message, hint) in [
            ("pegboard --json nonsense", "unrecognized subcommand 'nonsense'", "--help"),
            ("pegboard --json plugin", "a command is missing", "pegboard --help"),
            ("pegboard plugns --json", "unrecognized subcommand 'plugns'", "plugins"),
            ("pegboard show --json", "required arguments", "pegboard show"),
            ("pegboard runs --limt 3 --json", "unexpected argument '--limt'", "--limit"),
        ] {
            let refused = refusal(&Arguments::try_parse_from(words(line)).unwrap_err());
            assert!(refused.code == "usage" && refused.message.contains(message), "{line}: {refused:?}");
            assert!(refused.hint.as_ref().unwrap().contains(hint), "{line}: {refused:?}");
            assert!(!refused.message.contains('\n') && wants_json(&words(line)), "{refused:?}");
        }
        assert!(!wants_json(&words("pegboard run x -- --json")));
        assert_eq!(without_help_for_help(&words("pegboard help --help")), words("pegboard help"));
        assert_eq!(without_help_for_help(&words("pegboard help run -h")), words("pegboard help run"));
        assert_eq!(without_help_for_help(&words("pegboard run --help")), words("pegboard run --help"));
    }
}
