//! How pages say times and sizes.

use comrak::{Options, markdown_to_html};
use pegboard_model::Timestamp;

/// `850 ms`, `12.3 s`, `4 min 5 s`, `2 h 3 min`.
pub(super) fn duration(milliseconds: Option<u64>) -> String {
    match milliseconds {
        None => String::new(),
        Some(ms) if ms < 1000 => format!("{ms} ms"),
        Some(ms) if ms < 60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        Some(ms) if ms < 3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        Some(ms) => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// `2026-11-20 23:59:01` in UTC.
pub(super) fn instant(time: &str) -> String {
    let seconds: String = time.chars().take(19).collect();
    seconds.replace('T', " ")
}

/// `just now`, `3 min ago`, else the instant.
pub(super) fn ago(time: &str, now: Timestamp) -> String {
    match time.parse::<Timestamp>().map(|time| now.milliseconds_since(time) / 1000) {
        Ok(seconds) if seconds < 10 => "just now".to_owned(),
        Ok(seconds) if seconds < 60 => format!("{seconds} s ago"),
        Ok(seconds) if seconds < 3600 => format!("{} min ago", seconds / 60),
        Ok(seconds) if seconds < 86_400 => format!("{} h ago", seconds / 3600),
        _ => instant(time),
    }
}

/// `in 3 min`, else the instant.
pub(super) fn until(time: &str, now: Timestamp) -> String {
    match time.parse::<Timestamp>().map(|time| time.milliseconds_since(now) / 1000) {
        Ok(0) => "now".to_owned(),
        Ok(seconds) if seconds < 60 => format!("in {seconds} s"),
        Ok(seconds) if seconds < 3600 => format!("in {} min", seconds / 60),
        Ok(seconds) if seconds < 86_400 => format!("in {} h", seconds / 3600),
        _ => instant(time),
    }
}

/// `12 MiB`, `3.4 GiB`, `800 B`; a dash when unknown.
pub(super) fn size(bytes: Option<u64>) -> String {
    const UNITS: &[&str] = &["KiB", "MiB", "GiB", "TiB"];
    let Some(bytes) = bytes else { return "–".to_owned() };
    let (mut tenths, mut unit) = (bytes.saturating_mul(10), "B");
    for larger in UNITS {
        if tenths < 10_240 {
            break;
        }
        (tenths, unit) = (tenths / 1024, larger);
    }
    if tenths < 100 && unit != "B" {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", tenths / 10)
    }
}

/// `1,234,567`, `0.9132`.
pub(super) fn number(number: f64) -> String {
    if number.fract() != 0.0 {
        return format!("{number:.4}");
    }
    let digits = format!("{:.0}", number.abs());
    let mut text = if number < 0.0 { "-".to_owned() } else { String::new() };
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most so many characters.
pub(super) fn excerpt(text: &str, most: usize) -> String {
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

/// Escaped, with what stands between backticks as code.
pub(super) fn coded(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (position, part) in text.split('`').enumerate() {
        let part = escaped(part);
        if position % 2 == 1 {
            html.extend(["<code>", &part, "</code>"]);
        } else {
            html.push_str(&part);
        }
    }
    html
}

/// Without the five characters that mean something in HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

/// Markdown of strangers as harmless HTML.
pub(super) fn markdown(text: &str) -> String {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    ammonia::clean(&markdown_to_html(text, &options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (ms, word) in [(0, "0 ms"), (12_345, "12.3 s"), (245_000, "4 min 5 s"), (7_380_000, "2 h 3 min")] {
            assert_eq!(duration(Some(ms)), word);
        }
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        assert_eq!(ago("2026-01-01T00:57:00.5Z", now), "2 min ago");
        assert_eq!(ago("2025-12-01T00:57:00.5Z", now), "2025-12-01 00:57:00");
        assert_eq!(until("2026-01-01T01:03:05Z", now), "in 3 min");
        for (bytes, word) in [(800, "800 B"), (1536, "1.5 KiB"), (27 << 20, "27 MiB"), (5 << 40, "5.0 TiB")] {
            assert_eq!(size(Some(bytes)), word);
        }
        for (value, word) in [(0.0, "0"), (-1234.0, "-1,234"), (1_234_567.0, "1,234,567"), (0.91318, "0.9132")] {
            assert_eq!(number(value), word);
        }
        assert_eq!(excerpt("čtyři", 3), "čty…");
        assert_eq!(coded("a `<b>` & c"), "a <code>&lt;b&gt;</code> &amp; c");
        assert!(!markdown("[x](javascript:alert(1)) <script>alert(1)</script> **b**").contains("script"));
    }
}
