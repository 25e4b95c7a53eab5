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

use crate::nearest::nearest;

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

/// With the zone that was probably meant: a slip of the hand, or its last part alone.
fn no_zone(name: &str) -> String {
    let zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
    let city = |zone: &str| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name.trim_end_matches('/')));
    let meant =
        nearest(name, zones.iter().map(String::as_str)).or_else(|| zones.iter().map(String::as_str).find(|zone| city(zone)));
    match meant {
        Some(zone) => format!("`{name}` is not a time zone; did you mean `{zone}`?"),
        None => format!("`{name}` is not a time zone; write one as `Europe/Berlin`"),
    }
}

impl Schedule {
    /// Reads an expression; the refusal is one sentence, the dialect's own where it has one.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (zone, fields) = match text.strip_prefix(ZONE) {
            None => (TimeZone::UTC, text),
            Some(rest) => {
                let (name, fields) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let zone = TimeZone::get(name).map_err(|_| no_zone(name))?;
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
        let entries: [&str; 7] =
            entries.try_into().map_err(|_| format!("improper number of cron entries specified; got {count} need 5 to 7"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The next instants of an expression after one.
    fn next(expression: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(expression).unwrap();
        let instants = std::iter::successors(schedule.after(time(after)), |instant| schedule.after(*instant));
        let short = |instant: Timestamp| instant.to_string().replace(".000000Z", "").replace("2026-", "");
        instants.take(count).map(short).collect()
    }

    #[test]
    fn fields_have_the_dialects_order_and_forms() {
        let cases: [(&str, &str, &[&str]); 26] = [
            ("* * * * *", "2026-11-20T10:00:30Z", &["11-20T10:01:00", "11-20T10:02:00"]),
            ("*/10 * * * * *", "2026-11-20T10:00:00Z", &["11-20T10:10:00", "11-20T10:20:00"]),
            ("*/20 * * * * * *", "2026-11-20T10:00:00Z", &["11-20T10:00:20", "11-20T10:00:40", "11-20T10:01:00"]),
            ("5/20 * * * *", "2026-11-20T10:00:00Z", &["11-20T10:05:00", "11-20T10:25:00", "11-20T10:45:00", "11-20T11:05:00"]),
            ("1-10/4 3 * * *", "2026-11-20T10:00:00Z", &["11-21T03:01:00", "11-21T03:05:00", "11-21T03:09:00"]),
            ("0 0,12 * * *", "2026-11-20T10:00:00Z", &["11-20T12:00:00", "11-21T00:00:00"]),
            ("0 0 1 JAN *", "2026-11-20T10:00:00Z", &["2027-01-01T00:00:00"]),
            ("0 0 1 jan-mar/2 *", "2026-11-20T10:00:00Z", &["2027-01-01T00:00:00", "2027-03-01T00:00:00"]),
            ("0 0 * * 0", "2026-11-20T10:00:00Z", &["11-22T00:00:00", "11-29T00:00:00"]),
            ("0 0 * * 7", "2026-11-20T10:00:00Z", &["11-22T00:00:00", "11-29T00:00:00"]),
            ("0 0 * * fri-sun", "2026-11-20T10:00:00Z", &["11-21T00:00:00", "11-22T00:00:00", "11-27T00:00:00"]),
            ("0 0 * * 5-7", "2026-11-20T10:00:00Z", &["11-21T00:00:00", "11-22T00:00:00", "11-27T00:00:00"]),
            ("0 0 * * Mon,wed", "2026-11-20T10:00:00Z", &["11-23T00:00:00", "11-25T00:00:00"]),
            (
                "0 0 l * *",
                "2026-11-20T10:00:00Z",
                &["11-30T00:00:00", "12-31T00:00:00", "2027-01-31T00:00:00", "2027-02-28T00:00:00"],
            ),
            ("0 0 15,L * ?", "2026-11-20T10:00:00Z", &["11-30T00:00:00", "12-15T00:00:00", "12-31T00:00:00"]),
            ("0 0 ? * L5", "2026-11-20T10:00:00Z", &["11-27T00:00:00", "12-25T00:00:00"]),
            ("0 0 * * l7", "2026-11-20T10:00:00Z", &["11-29T00:00:00", "12-27T00:00:00"]),
            // Day and weekday: both must match. The first Monday.
            ("0 0 1-7 * 1", "2026-11-20T10:00:00Z", &["12-07T00:00:00", "2027-01-04T00:00:00"]),
            ("0 0 13 * 5", "2026-11-20T10:00:00Z", &["2027-08-13T00:00:00"]),
            ("0 0 29 2 *", "2026-11-20T10:00:00Z", &["2028-02-29T00:00:00", "2032-02-29T00:00:00"]),
            ("0 0 1 1 * 2030", "2026-11-20T10:00:00Z", &["2030-01-01T00:00:00"]),
            ("0 0 0 1 1 * 2030-2099/50", "2026-11-20T10:00:00Z", &["2030-01-01T00:00:00", "2080-01-01T00:00:00"]),
            ("0 0 31 2 *", "2026-11-20T10:00:00Z", &[]),
            ("* * * * * 1999", "2026-11-20T10:00:00Z", &[]),
            ("  @Daily ", "2026-11-20T10:00:00Z", &["11-21T00:00:00", "11-22T00:00:00"]),
            ("@weekly", "2026-11-20T10:00:00Z", &["11-22T00:00:00", "11-29T00:00:00"]),
        ];
        for (expression, after, expected) in cases {
            assert_eq!(next(expression, after, expected.len().max(1)), expected, "{expression}");
        }
        for (alias, expected) in [
            ("@hourly", "11-20T11:00:00"),
            ("@monthly", "12-01T00:00:00"),
            ("@yearly", "2027-01-01T00:00:00"),
            ("@annually", "2027-01-01T00:00:00"),
        ] {
            assert_eq!(next(alias, "2026-11-20T10:00:00Z", 1), [expected], "{alias}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_one_sentence() {
        for (expression, expected) in [
            ("bogus", "improper number of cron entries specified; got 1 need 5 to 7"),
            ("", "improper number of cron entries specified; got 0 need 5 to 7"),
            ("* * * *", "improper number of cron entries specified; got 4 need 5 to 7"),
            ("* * * * * * * *", "improper number of cron entries specified; got 8 need 5 to 7"),
            ("61 * * * *", "item value 61 out of range [0, 59]"),
            ("* 24 * * *", "item value 24 out of range [0, 23]"),
            ("* * 0 * *", "item value 0 out of range [1, 31]"),
            ("* * * 13 *", "item value 13 out of range [1, 12]"),
            ("* * * * 8", "item value 8 out of range [0, 7]"),
            ("* * * * * 2100", "item value 2100 out of range [1970, 2099]"),
            ("60 * * * * * *", "item value 60 out of range [0, 59]"),
            ("99999999999 * * * *", "item value 65535 out of range [0, 59]"),
            ("1-70 * * * *", "item value 70 out of range [0, 59]"),
            ("x * * * *", "`x` is not a minute"),
            ("-5 * * * *", "`` is not a minute"),
            ("1,,2 * * * *", "`` is not a minute"),
            ("+1 * * * *", "`+1` is not a minute"),
            ("1.5 * * * *", "`1.5` is not a minute"),
            ("30-10 * * * *", "range `30-10` of minute begins after its end"),
            ("*/0 * * * *", "step 0 of minute out of range [1, 59]"),
            ("*/60 * * * *", "step 60 of minute out of range [1, 59]"),
            ("*/x * * * *", "step `x` of minute is not a number"),
            ("? * * * *", "`?` is only for day and weekday, not for minute"),
            ("l * * * *", "`l` is not a minute"),
            ("* * * * l", "`` is not a weekday"),
            ("* * * * 5#2", "`5#2` is not a weekday"),
            ("H * * * *", "`h` is not a minute"),
            ("* * 15w * *", "`15w` is not a day"),
            ("@reboot", "`@reboot` is not a known schedule; known are @hourly, @daily, @weekly, @monthly, @yearly, @annually"),
            (
                "@midnight",
                "`@midnight` is not a known schedule; known are @hourly, @daily, @weekly, @monthly, @yearly, @annually",
            ),
            ("CRON_TZ=Mars/Base 0 * * * *", "`Mars/Base` is not a time zone; write one as `Europe/Berlin`"),
            ("CRON_TZ=Europe/Berln 0 * * * *", "`Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?"),
            ("CRON_TZ=Tokyo 0 * * * *", "`Tokyo` is not a time zone; did you mean `Asia/Tokyo`?"),
            ("CRON_TZ=Europe/Berlin", "improper number of cron entries specified; got 0 need 5 to 7"),
        ] {
            assert_eq!(Schedule::parse(expression).unwrap_err(), expected, "{expression}");
        }
    }

    #[test]
    fn daylight_saving_in_both_directions() {
        // In Berlin the clock went from 02:00 to 03:00 on 29 March 2026 at 01:00 UTC, and from 03:00 to 02:00 on 25 October.
        let cases: [(&str, &str, &[&str]); 10] = [
            // A skipped time fires once, at the first instant after the gap.
            ("30 2 * * *", "2026-03-28T12:00:00Z", &["03-29T01:00:00", "03-30T00:30:00", "03-31T00:30:00"]),
            ("0,20,40 2 * * *", "2026-03-28T12:00:00Z", &["03-29T01:00:00", "03-30T00:00:00", "03-30T00:20:00"]),
            ("0 2,3 * * *", "2026-03-28T12:00:00Z", &["03-29T01:00:00", "03-30T00:00:00", "03-30T01:00:00"]),
            // A repeated time fires once, the first time.
            ("30 2 * * *", "2026-10-24T12:00:00Z", &["10-25T00:30:00", "10-26T01:30:00"]),
            ("30 2 * * *", "2026-10-25T00:45:00Z", &["10-26T01:30:00"]),
            ("*/30 2 * * *", "2026-10-24T12:00:00Z", &["10-25T00:00:00", "10-25T00:30:00", "10-26T01:00:00"]),
            // Hours that are all wanted are all had.
            ("0 * * * *", "2026-10-24T22:30:00Z", &["10-24T23:00:00", "10-25T00:00:00", "10-25T01:00:00", "10-25T02:00:00"]),
            ("*/30 * * * *", "2026-03-29T00:15:00Z", &["03-29T00:30:00", "03-29T01:00:00", "03-29T01:30:00"]),
            // Other days are not touched, winter and summer differ.
            ("0 9 * * mon", "2026-03-20T12:00:00Z", &["03-23T08:00:00", "03-30T07:00:00"]),
            ("0 0 * * *", "2026-10-24T12:00:00Z", &["10-24T22:00:00", "10-25T23:00:00"]),
        ];
        for (expression, after, expected) in cases {
            let expression = format!("CRON_TZ=Europe/Berlin {expression}");
            assert_eq!(next(&expression, after, expected.len()), expected, "{expression} after {after}");
        }
        // Half an hour on Lord Howe Island; a whole day was skipped on Samoa.
        assert_eq!(
            next("CRON_TZ=Australia/Lord_Howe 15 2 * * *", "2026-10-03T00:00:00Z", 2),
            ["10-03T15:30:00", "10-04T15:15:00"]
        );
        assert_eq!(
            next("CRON_TZ=Pacific/Apia 0 12 30 12 *", "2011-12-01T00:00:00Z", 2),
            ["2011-12-30T10:00:00", "2012-12-29T22:00:00"]
        );
    }

    #[test]
    fn without_a_zone_it_is_utc() {
        assert_eq!(next("30 2 * * *", "2026-03-28T12:00:00Z", 2), ["03-29T02:30:00", "03-30T02:30:00"]);
        assert_eq!(next("30 2 * * *", "2026-10-24T12:00:00Z", 2), ["10-25T02:30:00", "10-26T02:30:00"]);
    }
}
