//! Sizes for people: `64KiB`, `2GiB`, `1.5 MB`, plain bytes. Durations are humantime's.

/// Bytes of a size. The error says what is wrong with it.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| format!("`{text}` does not begin with a number"))?;
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        other => return Err(format!("`{other}` is not a unit of size")),
    };
    let bytes = number * factor;
    if bytes < 9e18 { Ok(bytes as u64) } else { Err(format!("`{text}` is too large")) }
}

/// A size in the largest unit that divides it: `64KiB`, `1000B`.
#[must_use]
pub fn print_size(bytes: u64) -> String {
    for (factor, unit) in [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

/// A duration as people write it: whole days as days, since a month has no certain length.
#[must_use]
pub fn print_duration(duration: std::time::Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match duration.as_secs() {
        seconds if seconds > DAY && seconds.is_multiple_of(DAY) && duration.subsec_nanos() == 0 => {
            format!("{}days", seconds / DAY)
        }
        _ => humantime::format_duration(duration).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_both_ways() {
        for (text, bytes) in [("0", 0), ("512", 512), ("64KiB", 65536), ("2 GiB", 2 << 30), ("1.5MB", 1_500_000), ("3g", 3 << 30)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(parse_size(&print_size(bytes)), Ok(bytes), "{text}");
        }
        for bad in ["", "GiB", "2 lightyears", "1.2.3", "-1", "99999999999TiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(print_size(65536), "64KiB");
        for (text, printed) in [("365days", "365days"), ("1day", "1day"), ("30s", "30s"), ("25h", "1day 1h"), ("2m", "2m")] {
            let duration = humantime::parse_duration(text).unwrap();
            assert_eq!(print_duration(duration), printed);
            assert_eq!(humantime::parse_duration(printed), Ok(duration));
        }
    }
}
