//! How the patched calls of the running program were used.

use super::patch::{Patch, interposed, is_patched};
use std::fmt::{self, Write};
use std::time::Duration;

/// One patched function, and how green threads have used it since it was patched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Used {
    /// The function's name.
    pub name: &'static str,
    /// How often green threads have called it.
    pub calls: u64,
    /// How often it has suspended its green thread instead of blocking.
    pub waits: u64,
    /// How often it has nevertheless held its worker for longer than ten milliseconds.
    pub holds: u64,
    /// How long the longest of these holds took.
    pub longest: Duration,
    /// Where the call came from that held its worker first: a backtrace, as text.
    pub culprit: Option<String>,
}

/// What [`report`] returns. It can be printed, as a table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The groups that are patched.
    pub patched: Vec<Patch>,
    /// The functions that green threads have called, in the order of their names.
    pub used: Vec<Used>,
}

/// Tells which patched functions the green threads of this program have used, how often these suspended, and which have
/// held a worker and from where. (In gevent, `gevent.util.print_run_info` and the blocking monitor come nearest.) Does
/// not suspend.
///
/// Calls that block past the C library's functions are not seen here: raw system calls, and calls that the C library
/// makes to itself.
///
/// # Examples
/// ```
/// // SAFETY: this program does nothing that the Safety section of `patch_all` forbids.
/// unsafe { greenthread::monkey::patch_time() };
/// greenthread::spawn(|| std::thread::sleep(std::time::Duration::from_millis(1))).join().unwrap();
/// let report = greenthread::monkey::report();
/// let sleeps = report.used.iter().find(|used| used.name == "clock_nanosleep").unwrap();
/// assert_eq!((sleeps.calls, sleeps.waits), (1, 1));
/// println!("{report}");
/// ```
#[doc(alias = "print_run_info")]
#[must_use]
pub fn report() -> Report {
    let mut used: Vec<_> = interposed()
        .map(|interposed| {
            let usage = interposed.hook.usage();
            Used {
                name: interposed.hook.name(),
                calls: usage.calls,
                waits: usage.waits,
                holds: usage.holds,
                longest: usage.longest,
                culprit: usage.culprit.map(ToString::to_string),
            }
        })
        .filter(|used| used.calls > 0)
        .collect();
    used.sort_by_key(|used| used.name);
    let patched = Patch::ALL.into_iter().filter(|patch| is_patched(*patch)).collect();
    Report { patched, used }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "patched: {:?}", self.patched)?;
        writeln!(
            f,
            "{:<18} {:>10} {:>10} {:>8} {:>12}",
            "function", "calls", "waits", "holds", "longest"
        )?;
        for used in &self.used {
            let longest =
                if used.holds == 0 { String::from("-") } else { format!("{:.1?}", used.longest) };
            writeln!(
                f,
                "{:<18} {:>10} {:>10} {:>8} {:>12}",
                used.name, used.calls, used.waits, used.holds, longest
            )?;
        }
        for used in &self.used {
            if let Some(culprit) = &used.culprit {
                writeln!(f, "\n{} first held its worker here:\n{culprit}", used.name)?;
            }
        }
        Ok(())
    }
}

impl Report {
    /// The same as JSON: an object with an array `patched` of names, and an array `used` of objects with the fields of
    /// [`Used`]. There `longest` is in seconds, and `culprit` is a string or null.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::from("{\"patched\":[");
        for (at, patch) in self.patched.iter().enumerate() {
            let _ = write!(json, "{}\"{patch:?}\"", if at > 0 { "," } else { "" });
        }
        json.push_str("],\"used\":[");
        for (at, used) in self.used.iter().enumerate() {
            let _ = write!(
                json,
                "{}{{\"name\":\"{}\",\"calls\":{},\"waits\":{},\"holds\":{},\"longest\":{},\"culprit\":",
                if at > 0 { "," } else { "" },
                used.name,
                used.calls,
                used.waits,
                used.holds,
                used.longest.as_secs_f64(),
            );
            match &used.culprit {
                Some(culprit) => quote(&mut json, culprit),
                None => json.push_str("null"),
            }
            json.push('}');
        }
        json.push_str("]}");
        json
    }
}

fn quote(json: &mut String, text: &str) {
    json.push('"');
    for char in text.chars() {
        match char {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", control as u32);
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_quoted() {
        let used = Used {
            name: "poll",
            calls: 3,
            waits: 2,
            holds: 1,
            longest: Duration::from_millis(20),
            culprit: Some("a \"b\"\\\n\t".into()),
        };
        let report = Report { patched: vec![Patch::Poll, Patch::Time], used: vec![used] };
        assert_eq!(
            report.to_json(),
            r#"{"patched":["Poll","Time"],"used":[{"name":"poll","calls":3,"waits":2,"holds":1,"longest":0.02,"culprit":"a \"b\"\\\n\u0009"}]}"#
        );
        let text = report.to_string();
        assert!(text.contains("poll") && text.contains("20.0ms") && text.contains("first held"));
    }
}
