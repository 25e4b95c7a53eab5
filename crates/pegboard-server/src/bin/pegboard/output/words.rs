//! Times for people.

/// `850 ms`, `12.3 s`, `4 min 5 s`.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        ms if ms < 1000 => format!("{ms} ms"),
        ms if ms < 60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// `2026-11-20 23:59:01`, in UTC; always nineteen characters.
pub(crate) fn instant(time: &str) -> String {
    format!("{:<19}", time.chars().take(19).collect::<String>().replace('T', " "))
}
