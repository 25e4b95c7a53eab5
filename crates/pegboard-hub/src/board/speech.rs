//! What plugins say meanwhile.
//!
//! Invariant: a session's log has a most, in lines and in bytes; what is beyond it costs a counter and nothing else.

use pegboard_model::{HubId, LogLevel, SessionLine, Timestamp};
use serde_json::Map;

use super::{Active, Board, Effect, Identity};
use crate::wire::event::Line;

impl Board {
    /// A connection said a line.
    pub(crate) fn line(&mut self, number: u64, line: Line, now: Timestamp, effects: &mut Vec<Effect>) {
        let plugin = match self.links.get_mut(&number) {
            Some(link) => match link.identity {
                Identity::Bound(plugin) => plugin,
                _ => return,
            },
            None => return,
        };
        if let Some(id) = line.session.filter(|id| self.is_of(*id, plugin)) {
            self.say(id, line, now, effects);
        }
    }

    /// A line for a session of which the speaker is known.
    pub(crate) fn say(&mut self, id: HubId, line: Line, now: Timestamp, effects: &mut Vec<Effect>) {
        let (most_lines, most_bytes) = (self.options.log_lines, self.options.log_bytes);
        let Some(active) = self.sessions.get_mut(&id) else { return };
        let text = masked(line.text, &active.masks);
        if line.level == LogLevel::Error && !active.is_over() {
            active.session.last_error = Some(text.clone());
        }
        active.session.progress = line.progress.or(active.session.progress);
        let log = &mut active.session.log;
        if log.lines >= most_lines || log.bytes >= most_bytes {
            log.dropped += 1;
            if log.dropped == 1 && !active.is_over() {
                let said =
                    format!("the log is full ({most_lines} lines, {most_bytes} bytes); what comes is counted and not kept");
                active.lines.push(own(&said, now));
            }
            self.dirty.insert(id);
            return;
        }
        log.lines += 1;
        log.bytes += text.len() as u64;
        let line = SessionLine { time: now, level: line.level, text, more: line.more };
        if active.is_over() {
            effects.push(Effect::Append { session: id, lines: vec![line] });
        } else {
            active.lines.push(line);
            self.dirty.insert(id);
        }
    }

    /// A line of our own.
    pub(super) fn note(&mut self, id: HubId, text: &str, now: Timestamp) {
        if let Some(active) = self.sessions.get_mut(&id) {
            active.lines.push(own(text, now));
            self.dirty.insert(id);
        }
    }

    /// Whether the session is one of this plugin's.
    pub(super) fn is_of(&self, session: HubId, plugin: HubId) -> bool {
        self.sessions.get(&session).is_some_and(|active| active.session.plugin == plugin)
    }
}

impl Active {
    /// What the log lacks is said at its end.
    pub(super) fn say_dropped(&mut self, now: Timestamp) {
        if self.session.log.dropped > 0 {
            let said = format!("{} more lines were not kept", self.session.log.dropped);
            self.lines.push(own(&said, now));
        }
    }
}

pub(super) fn own(text: &str, now: Timestamp) -> SessionLine {
    SessionLine { time: now, level: LogLevel::Warning, text: text.to_owned(), more: Map::new() }
}

fn masked(mut text: String, masks: &[String]) -> String {
    for mask in masks.iter().filter(|mask| !mask.is_empty()) {
        if text.contains(mask.as_str()) {
            text = text.replace(mask.as_str(), "***");
        }
    }
    text
}
