//! The grammar of Engine.IO 4 and Socket.IO 5, both directions, for the namespaces that we serve (Ango specification, 2.1).
//!
//! Frame: `<engine digit>[<socket digit>[<attachments>-][/namespace,][<ack id>][json]]`.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::lenient;

/// The one namespace in which plugins are.
pub const NAMESPACE: &str = "/plugin";
/// Attachments of one packet; what has more is refused.
const ATTACHMENTS: usize = 64;

/// One text frame from a client.
#[derive(Clone, PartialEq, Debug)]
pub enum Packet {
    /// `1`: the client closes.
    Close,
    /// `2…`: a ping; with `probe` before an upgrade.
    Ping(String),
    /// `3`: the answer to our ping.
    Pong,
    /// `5`: the upgrade is done.
    Upgrade,
    /// `6`.
    Noop,
    /// `40`: wants into a namespace.
    Connect {
        /// `/` when none is named.
        namespace: String,
    },
    /// `41`: leaves a namespace.
    Disconnect {
        /// Which one.
        namespace: String,
    },
    /// `42`, `43`, `45`, `46`: an event or an acknowledgement, whose attachments may follow as binary frames.
    Message(Message),
}

/// An event or an acknowledgement.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// Where.
    pub namespace: String,
    /// An acknowledgement rather than an event.
    pub is_ack: bool,
    /// The event wants this acknowledged, or this is acknowledged.
    pub id: Option<u64>,
    /// Binary frames that follow.
    pub attachments: usize,
    /// Event: its name and arguments. Acknowledgement: its arguments.
    pub items: Vec<Json>,
}

/// Reads one text frame. The error says what is wrong with it; the connection cannot go on.
pub fn parse(frame: &str) -> Result<Packet, String> {
    let mut rest = frame.chars();
    match rest.next() {
        Some('1') => Ok(Packet::Close),
        Some('2') => Ok(Packet::Ping(rest.as_str().chars().take(16).collect())),
        Some('3') => Ok(Packet::Pong),
        Some('4') => parse_message(rest.as_str()),
        Some('5') => Ok(Packet::Upgrade),
        Some('6') => Ok(Packet::Noop),
        Some(other) => Err(format!("no packet begins with `{}`", other.escape_default())),
        None => Err("an empty packet".to_owned()),
    }
}

fn parse_message(text: &str) -> Result<Packet, String> {
    let mut rest = text.chars();
    let kind = rest.next().ok_or("an empty message")?;
    let mut rest = rest.as_str();
    let mut attachments = 0;
    if matches!(kind, '5' | '6') {
        let (number, after) = rest.split_once('-').ok_or("no number of attachments")?;
        attachments =
            number.parse().ok().filter(|number| (1..=ATTACHMENTS).contains(number)).ok_or("a wrong number of attachments")?;
        rest = after;
    }
    let mut namespace = "/".to_owned();
    if rest.starts_with('/') {
        let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
        // A query may follow the name.
        namespace = name.split('?').next().unwrap_or(name).chars().take(64).collect();
        rest = after;
    }
    match kind {
        '0' => return Ok(Packet::Connect { namespace }),
        '1' => return Ok(Packet::Disconnect { namespace }),
        '2' | '3' | '5' | '6' => {}
        other => return Err(format!("no message of kind `{}`", other.escape_default())),
    }
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let id = match &rest[..digits] {
        "" => None,
        digits => Some(digits.parse().map_err(|_| "an acknowledgement id out of range")?),
    };
    let is_ack = matches!(kind, '3' | '6');
    if is_ack && id.is_none() {
        return Err("an acknowledgement of nothing".to_owned());
    }
    let items = match lenient::parse(&rest[digits..]) {
        Ok(Json::Array(items)) => items,
        Ok(_) => return Err("a message that is no list".to_owned()),
        Err(error) => return Err(format!("a message that is no JSON: {error}")),
    };
    if !is_ack && !items.first().is_some_and(Json::is_string) {
        return Err("an event without a name".to_owned());
    }
    Ok(Packet::Message(Message { namespace, is_ack, id, attachments, items }))
}

/// `0{…}`: opens the connection. `upgrades` must be there (2.2).
#[must_use]
pub fn open(sid: &str, upgrades: &[&str], ping_interval_ms: u64, ping_timeout_ms: u64, max_payload: usize) -> String {
    let upgrades = if upgrades.is_empty() { String::new() } else { format!("\"{}\"", upgrades.join("\",\"")) };
    format!(
        "0{{\"sid\":\"{sid}\",\"upgrades\":[{upgrades}],\"pingInterval\":{ping_interval_ms},\"pingTimeout\":{ping_timeout_ms},\"maxPayload\":{max_payload}}}"
    )
}

/// Our ping.
pub const PING: &str = "2";

/// The answer to a ping of the client, with its text.
#[must_use]
pub fn pong(text: &str) -> String {
    format!("3{text}")
}

/// `40/plugin,{"sid":…}`: let in.
#[must_use]
pub fn connected(namespace: &str, sid: &str) -> String {
    let place = if namespace == "/" { String::new() } else { format!("{namespace},") };
    format!("40{place}{{\"sid\":\"{sid}\"}}")
}

/// `44/…`: there is no such namespace.
#[must_use]
pub fn refused(namespace: &str) -> String {
    format!("44{namespace},{{\"message\":\"Invalid namespace\"}}")
}

/// An event in [`NAMESPACE`] that wants an acknowledgement; `payload` is JSON text.
#[must_use]
pub fn event(name: &str, id: u64, payload: &str) -> String {
    let mut frame = String::with_capacity(payload.len() + name.len() + 40);
    let _ = write!(frame, "42{NAMESPACE},{id}[\"{name}\",{payload}]");
    frame
}

/// An event in [`NAMESPACE`] that wants no acknowledgement; `payload` is JSON text.
#[must_use]
pub fn notice(name: &str, payload: &str) -> String {
    format!("42{NAMESPACE},[\"{name}\",{payload}]")
}

/// An empty acknowledgement.
#[must_use]
pub fn acknowledged(namespace: &str, id: u64) -> String {
    let place = if namespace == "/" { String::new() } else { format!("{namespace},") };
    format!("43{place}{id}[]")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(namespace: &str, is_ack: bool, id: Option<u64>, attachments: usize, items: Json) -> Packet {
        let items = items.as_array().unwrap().clone();
        Packet::Message(Message { namespace: namespace.to_owned(), is_ack, id, attachments, items })
    }

    #[test]
    fn packets_of_real_clients() {
        for (frame, expected) in [
            ("40/plugin,{}", Packet::Connect { namespace: "/plugin".to_owned() }),
            ("40/plugin", Packet::Connect { namespace: "/plugin".to_owned() }),
            ("40", Packet::Connect { namespace: "/".to_owned() }),
            ("40/plugin?a=1,{}", Packet::Connect { namespace: "/plugin".to_owned() }),
            ("41/plugin,", Packet::Disconnect { namespace: "/plugin".to_owned() }),
            ("1", Packet::Close),
            ("2probe", Packet::Ping("probe".to_owned())),
            ("3", Packet::Pong),
            ("5", Packet::Upgrade),
            ("6", Packet::Noop),
            (
                r#"42/plugin,["heartbeat",{"id":"p","secret":"s"}]"#,
                message("/plugin", false, None, 0, json!(["heartbeat", {"id": "p", "secret": "s"}])),
            ),
            (r#"42["x"]"#, message("/", false, None, 0, json!(["x"]))),
            (r#"42/plugin,12["x",1]"#, message("/plugin", false, Some(12), 0, json!(["x", 1]))),
            ("43/plugin,1[]", message("/plugin", true, Some(1), 0, json!([]))),
            ("43/plugin,0[true]", message("/plugin", true, Some(0), 0, json!([true]))),
            (
                r#"451-/plugin,["response",{"response":{"_placeholder":true,"num":0}}]"#,
                message("/plugin", false, None, 1, json!(["response", {"response": {"_placeholder": true, "num": 0}}])),
            ),
            (
                "461-/plugin,3[{\"_placeholder\":true,\"num\":0}]",
                message("/plugin", true, Some(3), 1, json!([{"_placeholder": true, "num": 0}])),
            ),
            (r#"42/plugin,["log",{"msg":NaN}]"#, message("/plugin", false, None, 0, json!(["log", {"msg": null}]))),
        ] {
            assert_eq!(parse(frame).unwrap(), expected, "{frame}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for frame in [
            "",
            "7",
            "x",
            "4",
            "49",
            "42",
            "42/plugin",
            "42/plugin,",
            "42/plugin,{}",
            "42/plugin,[]",
            "42/plugin,[1]",
            "43/plugin,[]",
            "45/plugin,[\"x\"]",
            "450-/plugin,[\"x\"]",
            "4599-/plugin,[\"x\"]",
            "42/plugin,99999999999999999999999[\"x\"]",
            "42/plugin,[\"x\"",
            "44/plugin,{}",
            "ü",
            "4ü",
            "0{}",
        ] {
            assert!(parse(frame).is_err(), "{frame}");
        }
    }

    #[test]
    fn our_own_frames() {
        assert_eq!(
            open("S", &[], 25000, 20000, 100),
            r#"0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}"#
        );
        assert!(open("S", &["websocket"], 1, 1, 1).contains(r#""upgrades":["websocket"]"#));
        assert_eq!(connected("/plugin", "N"), r#"40/plugin,{"sid":"N"}"#);
        assert_eq!(connected("/", "N"), r#"40{"sid":"N"}"#);
        assert_eq!(notice("cancel", "{}"), r#"42/plugin,["cancel",{}]"#);
        assert_eq!(event("plugin", 7, "{\"a\":1}"), r#"42/plugin,7["plugin",{"a":1}]"#);
        assert_eq!(refused("/x"), r#"44/x,{"message":"Invalid namespace"}"#);
        assert_eq!(acknowledged("/plugin", 4), "43/plugin,4[]");
        assert_eq!(pong("probe"), "3probe");
    }

    /// No frame, however garbled, does more than being refused.
    #[test]
    fn any_frame_is_survived() {
        let seeds = [
            r#"451-/plugin,12["response",{"response":{"_placeholder":true,"num":0},"session":"ü"}]"#,
            "43/plugin,1[]",
            "40/plugin,{}",
        ];
        let mut state = 88_172_645_463_325_252_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize
        };
        for round in 0..30_000 {
            let mut chars: Vec<char> = seeds[round % seeds.len()].chars().collect();
            for _ in 0..1 + next() % 5 {
                let at = next() % chars.len();
                match next() % 3 {
                    0 => chars[at] = ['4', '5', '-', '/', ',', '[', '"', 'ü', '\0', '9'][next() % 10],
                    1 if chars.len() > 1 => drop(chars.remove(at)),
                    _ => chars.insert(at, ['0', '1', '2', '6', '{', ']', '😀'][next() % 7]),
                }
            }
            let _ = parse(&chars.into_iter().collect::<String>());
        }
    }
}
