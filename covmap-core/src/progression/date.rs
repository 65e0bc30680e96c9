//! When a study was taken.

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::radiograph::Source;
use crate::{Error, Radiograph};

/// A day, with the time of day where it is known. Written as `2020-04-01` or `2020-04-01T12:30:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    at: NaiveDateTime,
    timed: bool,
}

impl Date {
    /// Acquisition date and time of a DICOM image, else those of the study; `None` where neither is there or legal.
    pub fn of(radiograph: &Radiograph) -> Option<Self> {
        let Source::Dicom(source) = radiograph.source() else { return None };
        let read = |date: Tag, time: Tag| {
            let day = NaiveDate::parse_from_str(source.header.ascii(date)?, "%Y%m%d").ok()?;
            // Fractions of a second are of no interest here.
            let time = source.header.ascii(time).map(|t| t.split('.').next().unwrap_or_default());
            Some(Self::new(day, time.and_then(|t| parsed_time(t, &["%H%M%S", "%H%M"]))))
        };
        read(tags::ACQUISITION_DATE, tags::ACQUISITION_TIME).or_else(|| read(tags::STUDY_DATE, tags::STUDY_TIME))
    }

    fn new(day: NaiveDate, time: Option<NaiveTime>) -> Self {
        Date { at: day.and_time(time.unwrap_or_default()), timed: time.is_some() }
    }

    /// Days from `earlier` to this date: whole ones unless both have a time of day.
    pub fn days_since(&self, earlier: &Date) -> f64 {
        if self.timed && earlier.timed {
            return (self.at - earlier.at).num_seconds() as f64 / 86_400.0;
        }
        (self.at.date() - earlier.at.date()).num_days() as f64
    }
}

fn parsed_time(text: &str, formats: &[&str]) -> Option<NaiveTime> {
    formats.iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok())
}

impl FromStr for Date {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = || Error::Parameter(format!("date {text:?}: write it as 2020-04-01 or 2020-04-01T12:30"));
        let (day, time) = text.split_once('T').map_or((text, None), |(day, time)| (day, Some(time)));
        let day = NaiveDate::parse_from_str(day, "%Y-%m-%d").map_err(|_| fault())?;
        let time = time.map(|t| parsed_time(t, &["%H:%M:%S", "%H:%M"]).ok_or_else(fault)).transpose()?;
        Ok(Self::new(day, time))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.timed { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%d" };
        write!(f, "{}", self.at.format(format))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::{Phantom, PhantomOptions};

    #[test]
    fn dates_go_both_ways_and_count_days() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        for text in ["2020-04-01", "2020-12-31T23:59:58"] {
            assert_eq!(date(text).to_string(), text);
        }
        assert_eq!(date("2020-03-01").days_since(&date("2020-02-28T18:00")), 2.0);
        assert_eq!(date("2020-03-02T06:00").days_since(&date("2020-03-01T18:00")), 0.5);
        assert!(date("2020-03-01") < date("2020-03-01T08:00"));
        for text in ["", "yesterday", "2020-02-30", "01.04.2020", "2020-04-01T25:00", "20200401"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn dicom_says_when_it_was_taken() {
        let phantom = Phantom::new(&PhantomOptions { width: 80, height: 80, ..Default::default() }).unwrap();
        let dicom = Radiograph::from_bytes(&phantom.to_dicom().unwrap()).unwrap();
        assert_eq!(Date::of(&dicom).map(|d| d.to_string()), Some("2020-04-01T12:00:00".into()));
        assert_eq!(Date::of(&phantom.radiograph().unwrap()), None);
    }
}
