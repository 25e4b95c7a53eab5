//! Cron expressions of the dialect (Flowdapt specification, section 5.1): which instants, and in whose clock.
//!
//! The fields are read here, because the dialect has an order, forms and sentences of its own; croner gets their plain lists and
//! searches. An expression is in UTC unless it begins with `CRON_TZ=Area/City `. There, daylight saving is handled like this:
//! - an expression that names its hours goes by the clock on the wall. When the clock skips the named time, it fires once at the
//!   first instant after the gap; when the clock shows it twice, it fires at the first of both;
//! - one whose hours begin with `*` goes by the time that passes: it fires in each hour, the repeated one included.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use pegboard_model::Timestamp;

/// Every expression with an instant to come has one within this many civil instants: a gap of a day holds 86,400 seconds.
const SEARCHED: usize = 100_000;
/// Names for whole expressions.
const ALIASES: [(&str, &str); 6] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const ZONE: &str = "CRON_TZ=";

/// One field: what it is called and what it takes.
struct Field {
    name: &'static str,
    first: u16,
    last: u16,
    /// Names of its values, and the value of the first one.
    names: &'static [&'static str],
    named_from: u16,
}

const SECOND: Field = Field { name: "second", first: 0, last: 59, names: &[], named_from: 0 };
const MINUTE: Field = Field { name: "minute", first: 0, last: 59, names: &[], named_from: 0 };
const HOUR: Field = Field { name: "hour", first: 0, last: 23, names: &[], named_from: 0 };
const DAY: Field = Field { name: "day", first: 1, last: 31, names: &[], named_from: 0 };
const MONTH: Field = Field { name: "month", first: 1, last: 12, names: &MONTHS, named_from: 1 };
const WEEKDAY: Field = Field { name: "weekday", first: 0, last: 7, names: &WEEKDAYS, named_from: 0 };
const YEAR: Field = Field { name: "year", first: 1970, last: 2099, names: &[], named_from: 0 };

/// When something is due.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    cron: Cron,
    zone: TimeZone,
    /// By the clock on the wall, not by the time that passes.
    names_hours: bool,
}

impl Schedule {
    /// Reads an expression; the refusal is one sentence, the dialect's own where it has one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (zone, fields) = match text.strip_prefix(ZONE) {
            None => (TimeZone::UTC, text),
            Some(rest) => {
                let (name, fields) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let zone = TimeZone::get(name).map_err(|_| format!("`{name}` is not a time zone; write one as `Europe/Berlin`"))?;
                (zone, fields.trim())
            }
        };
        let fields = fields.to_ascii_lowercase();
        let fields = match ALIASES.iter().find(|(alias, _)| *alias == fields) {
            Some((_, meaning)) => (*meaning).to_owned(),
            None if fields.starts_with('@') => {
                let known: Vec<&str> = ALIASES.iter().map(|(alias, _)| *alias).collect();
                return Err(format!("`{fields}` is not a known schedule; known are {}", known.join(", ")));
            }
            None => fields,
        };
        let mut entries: Vec<&str> = fields.split_whitespace().collect();
        let count = entries.len();
        if count == 5 {
            entries.push("*");
        }
        if count < 7 {
            entries.insert(0, "0");
        }
        let entries: [&str; 7] = entries
            .try_into()
            .map_err(|_| format!("improper number of cron entries specified; got {count} need 5 to 7"))?;
        let [second, minute, hour, day, month, weekday, year] = entries;
        let pattern = [
            SECOND.read(second)?,
            MINUTE.read(minute)?,
            HOUR.read(hour)?,
            DAY.read(day)?,
            MONTH.read(month)?,
            WEEKDAY.read(weekday)?,
            // Named in full, so that the search ends there.
            Some(YEAR.read(year)?).filter(|years| years != "*").unwrap_or_else(|| format!("{}-{}", YEAR.first, YEAR.last)),
        ]
        .join(" ");
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Required).dom_and_dow(true).build();
        let cron = parser.parse(&pattern).map_err(|error| format!("`{text}` is not a cron expression: {error}"))?;
        Ok(Self { cron, zone, names_hours: !hour.starts_with('*') })
    }

    /// The first instant after this one; none when there is none any more.
    pub(crate) fn after(&self, instant: Timestamp) -> Option<Timestamp> {
        let begin = jiff::Timestamp::from_microsecond(instant.0).ok()?;
        if !self.names_hours {
            let next = self.cron.find_next_occurrence(&begin.to_zoned(self.zone.clone()), false).ok()?;
            return Some(Timestamp(next.timestamp().as_microsecond()));
        }
        // On the wall's clock every day has 24 hours, as in UTC. What it shows is then sought in the zone.
        let mut wall = self.zone.to_datetime(begin).to_zoned(TimeZone::UTC).ok()?;
        for _ in 0..SEARCHED {
            wall = self.cron.find_next_occurrence(&wall, false).ok()?;
            let found = Timestamp(self.instant(wall.datetime())?.as_microsecond());
            if found > instant {
                return Some(found);
            }
        }
        None
    }

    /// When the wall's clock shows this: the first time, or the first instant after the gap in which it would have.
    fn instant(&self, wall: DateTime) -> Option<jiff::Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(wall);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                let before = ambiguous.earlier().ok()?;
                self.zone.following(before).next().map(|transition| transition.timestamp())
            }
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        }
    }
}

impl Field {
    /// The field as a plain list, `*` when everything fits.
    fn read(&self, entry: &str) -> Result<String, String> {
        let mut values = vec![false; usize::from(self.last) + 1];
        let mut special = Vec::new();
        let mut any = false;
        for part in entry.split(',') {
            match part {
                "*" => any = true,
                "?" if self.name == DAY.name || self.name == WEEKDAY.name => any = true,
                "?" => return Err(format!("`?` is only for day and weekday, not for {}", self.name)),
                "l" if self.name == DAY.name => special.push("L".to_owned()),
                _ if part.starts_with('l') && self.name == WEEKDAY.name => {
                    let day = self.value(&part[1..])? % 7;
                    special.push(format!("{day}L"));
                }
                _ => self.part(part, &mut values)?,
            }
        }
        if self.name == WEEKDAY.name && std::mem::take(&mut values[7]) {
            values[0] = true;
        }
        if any {
            return Ok("*".to_owned());
        }
        let plain = values.iter().enumerate().filter(|(_, chosen)| **chosen).map(|(value, _)| value.to_string());
        Ok(plain.chain(special).collect::<Vec<_>>().join(","))
    }

    /// `a`, `a-b`, `*/n`, `a-b/n`, `a/n`.
    fn part(&self, part: &str, values: &mut [bool]) -> Result<(), String> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => (range, Some(self.step(step)?)),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, if self.name == WEEKDAY.name { 6 } else { self.last }),
            Some((first, last)) => {
                let (first, last) = (self.value(first)?, self.value(last)?);
                // `fri-sun`: Sunday is also the end of the week.
                (first, if self.name == WEEKDAY.name && last == 0 && first > 0 { 7 } else { last })
            }
            None => {
                let first = self.value(range)?;
                (first, if step.is_some() { self.last } else { first })
            }
        };
        if first > last {
            return Err(format!("range `{range}` of {} begins after its end", self.name));
        }
        for value in (first..=last).step_by(step.unwrap_or(1)) {
            values[usize::from(value)] = true;
        }
        Ok(())
    }

    fn step(&self, text: &str) -> Result<usize, String> {
        let step: u16 = digits(text).ok_or_else(|| format!("step `{text}` of {} is not a number", self.name))?;
        if step == 0 || step > self.last {
            return Err(format!("step {step} of {} out of range [1, {}]", self.name, self.last));
        }
        Ok(usize::from(step))
    }

    fn value(&self, text: &str) -> Result<u16, String> {
        if let Some(position) = self.names.iter().position(|name| *name == text) {
            return Ok(self.named_from + u16::try_from(position).unwrap_or(0));
        }
        let value: u16 = digits(text).ok_or_else(|| format!("`{text}` is not a {}", self.name))?;
        if (self.first..=self.last).contains(&value) {
            return Ok(value);
        }
        // The dialect's own sentence.
        Err(format!("item value {value} out of range [{}, {}]", self.first, self.last))
    }
}

/// Unsigned, without a sign and without blanks; what is too long is too large.
fn digits(text: &str) -> Option<u16> {
    let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| text.parse().unwrap_or(u16::MAX))
}
