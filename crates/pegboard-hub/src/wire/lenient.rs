//! JSON as Python's `json.dumps` writes it, which is more than JSON: bare `NaN` and `Infinity`, integers of any length, lone
//! surrogates (Ango specification, 2.7).
//!
//! Strict text takes the fast path. Else: not-a-number and infinities become null, integers beyond 64 bits become floats, lone
//! surrogates become U+FFFD.

use serde_json::{Map, Number, Value as Json};

/// Levels of lists and objects; what is deeper is refused, so that nobody fills our stack.
const DEPTH: usize = 200;

/// Reads one JSON value; nothing but white space may follow. The error says at which byte it went wrong.
pub fn parse(text: &str) -> Result<Json, String> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(_) => {
            let mut reader = Reader { bytes: text.as_bytes(), text, at: 0 };
            let value = reader.value(0)?;
            reader.blank();
            if reader.at == text.len() { Ok(value) } else { Err(reader.wrong("more than one value")) }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> String {
        format!("{what} at byte {}", self.at)
    }

    fn blank(&mut self) {
        while self.bytes.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > DEPTH {
            return Err(self.wrong("too many levels"));
        }
        self.blank();
        match self.bytes.get(self.at) {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.name(),
        }
    }

    fn name(&mut self) -> Result<Json, String> {
        for (word, value) in [
            ("true", Json::Bool(true)),
            ("false", Json::Bool(false)),
            ("null", Json::Null),
            ("NaN", Json::Null),
            ("Infinity", Json::Null),
        ] {
            if self.word(word) {
                return Ok(value);
            }
        }
        Err(self.wrong("no value"))
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        let mut entries = Map::new();
        self.at += 1;
        self.blank();
        if self.word("}") {
            return Ok(Json::Object(entries));
        }
        loop {
            self.blank();
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(self.wrong("no key"));
            }
            let key = self.string()?;
            self.blank();
            if !self.word(":") {
                return Err(self.wrong("no colon"));
            }
            let value = self.value(depth + 1)?;
            entries.insert(key, value);
            self.blank();
            if self.word("}") {
                return Ok(Json::Object(entries));
            }
            if !self.word(",") {
                return Err(self.wrong("no comma"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, String> {
        let mut items = Vec::new();
        self.at += 1;
        self.blank();
        if self.word("]") {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blank();
            if self.word("]") {
                return Ok(Json::Array(items));
            }
            if !self.word(",") {
                return Err(self.wrong("no comma"));
            }
        }
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        if self.word("-") && self.word("Infinity") {
            return Ok(Json::Null);
        }
        while self.bytes.get(self.at).is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        if let Ok(Json::Number(number)) = serde_json::from_str(text) {
            return Ok(Json::Number(number));
        }
        // Out of every range, as `1e999`: as good as infinite.
        match text.parse::<f64>() {
            Ok(number) => Ok(Number::from_f64(number).map_or(Json::Null, Json::Number)),
            Err(_) => Err(self.wrong("no number")),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.bytes.get(self.at).is_some_and(|byte| !matches!(byte, b'"' | b'\\')) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(_) => self.escape(&mut out)?,
                None => return Err(self.wrong("no end of a string")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), String> {
        self.at += 1;
        let Some(letter) = self.bytes.get(self.at) else { return Err(self.wrong("no end of a string")) };
        self.at += 1;
        out.push(match letter {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(*letter),
            b'u' => {
                let first = self.unit()?;
                return self.surrogates(first, out);
            }
            _ => return Err(self.wrong("no escape")),
        });
        Ok(())
    }

    fn surrogates(&mut self, mut first: u32, out: &mut String) -> Result<(), String> {
        loop {
            let leads = (0xd800..0xdc00).contains(&first);
            if !leads || !self.bytes[self.at..].starts_with(b"\\u") {
                out.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(());
            }
            self.at += 2;
            let second = self.unit()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(());
            }
            out.push(char::REPLACEMENT_CHARACTER);
            first = second;
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, String> {
        let digits = self.bytes.get(self.at..self.at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = digits.and_then(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        let unit = unit.ok_or_else(|| self.wrong("no escape"))?;
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_python_writes_is_read() {
        for (text, expected) in [
            (r#"{"a": NaN, "b": [Infinity, -Infinity, 1.5, -2]}"#, json!({"a": null, "b": [null, null, 1.5, -2]})),
            (r#"{"big": 2361183241434822606848, "x": NaN}"#, json!({"big": 2361183241434822606848_f64, "x": null})),
            (
                r#"["\ud800", "\udc00x", "\ud83d\ude00", "\ud800\ud83d\ude00", "\ud800\n"]"#,
                json!(["\u{fffd}", "\u{fffd}x", "😀", "\u{fffd}😀", "\u{fffd}\n"]),
            ),
            (r#"["a\u0000b", NaN]"#, json!(["a\0b", null])),
            (r#" [ ] "#, json!([])),
            (
                r#"{"a": {}, "b": [], "c": NaN, "d": "\"\\\/\b\f\n\r\t\u00fc ü"}"#,
                json!({"a": {}, "b": [], "c": null, "d": "\"\\/\u{8}\u{c}\n\r\tü ü"}),
            ),
            ("[1e999, NaN]", json!([null, null])),
            ("true", json!(true)),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "",
            "[",
            "{",
            "[1,",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "\"",
            "\"\\",
            "\"\\u12",
            "\"\\u12g4\"",
            "nul",
            "1 2",
            "[NaN] x",
            "-",
            "--1",
            "\"\\x\"",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = format!("{}NaN{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(&deep).unwrap_err().contains("levels"));
    }

    /// Strict and lenient reading agree on everything that is strict, whatever it is cut or garbled to.
    #[test]
    fn any_bytes_are_survived() {
        let seed = r#"["response",{"response":{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\\"],"b":null},"session":"B5","n":NaN}]"#;
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize
        };
        for _ in 0..20_000 {
            let mut bytes = seed.as_bytes().to_vec();
            for _ in 0..next() % 6 {
                let at = next() % bytes.len();
                bytes[at] = b"[]{}\",:\\u0dNIaf-\x00\x7f "[next() % 19];
            }
            bytes.truncate(next() % (bytes.len() + 1));
            let Ok(text) = std::str::from_utf8(&bytes) else { continue };
            let _ = parse(text);
        }
    }
}
