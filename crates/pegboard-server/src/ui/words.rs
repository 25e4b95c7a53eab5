//! How pages say times and sizes.

use pegboard_model::Timestamp;

use crate::api::shape::ItemsAnswer;

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

/// `12 MiB`; a dash when unknown.
pub(super) fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "–".to_owned(), |bytes| format!("{} MiB", bytes.div_ceil(1 << 20)))
}

/// `7 of 24, 1 failed`.
pub(super) fn items(items: &ItemsAnswer) -> String {
    let failed = if items.failed > 0 { format!(", {} failed", items.failed) } else { String::new() };
    format!("{} of {}{failed}", items.done + items.failed, items.total)
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
        assert_eq!(items(&ItemsAnswer { total: 24, done: 6, failed: 1 }), "7 of 24, 1 failed");
    }
}
