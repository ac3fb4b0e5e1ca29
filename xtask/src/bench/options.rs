//! The options on the command line.

use super::build::Profile;
use super::{SECTIONS, Section};
use crate::Result;

#[derive(Default)]
pub(super) struct Options {
    /// The time for each kind of call, in seconds.
    pub(super) seconds: f64,
    pub(super) rounds: usize,
    pub(super) quick: bool,
    pub(super) profiles: Vec<Profile>,
    pub(super) sections: Vec<Section>,
    named: bool,
}

impl Options {
    pub(super) fn parse(words: &[&str]) -> Result<Self> {
        let (mut seconds, mut rounds, mut profiles, mut sections) = (None, None, None, Vec::new());
        let mut quick = false;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word}: expected a value after it"));
            match *word {
                "--quick" => quick = true,
                "--seconds" => seconds = Some(value()?.parse()?),
                "--rounds" => rounds = Some(value()?.parse()?),
                "--profile" => profiles = Some(vec![Profile::named(value()?)?]),
                name => sections.push(Section::named(name)?),
            }
        }
        let seconds: f64 = seconds.unwrap_or(if quick { 0.1 } else { 0.2 });
        let rounds = rounds.unwrap_or(if quick { 3 } else { 5 });
        if !(seconds > 0.0 && seconds <= 3600.0) || rounds == 0 {
            return Err("expected --seconds above 0 and up to 3600, and --rounds of at least 1".into());
        }
        let named = !sections.is_empty();
        if !named {
            sections.extend(SECTIONS.into_iter().filter(|section| section.is_quick || !quick));
        }
        let all = if quick { vec![Profile::Release] } else { Profile::ALL.to_vec() };
        Ok(Self { seconds, rounds, quick, profiles: profiles.unwrap_or(all), sections, named })
    }

    /// Whether the programs of this profile are measured.
    pub(super) fn needs(&self, profile: Profile) -> bool {
        let is_measured = |section: &Section| section.profiles.unwrap_or(&self.profiles).contains(&profile);
        self.sections.iter().any(is_measured) && !(self.quick && profile == Profile::Profiling)
    }

    /// Whether the run is the whole report, or the quick one.
    pub(super) fn is_whole(&self) -> bool {
        !self.named
    }
}

impl Section {
    fn named(name: &str) -> Result<Self> {
        let known = SECTIONS.iter().find(|section| section.name == name).copied();
        known.ok_or_else(|| {
            let names = SECTIONS.map(|section| section.name).join("|");
            format!(
                "{name}: expected --quick, --seconds N, --rounds N, --profile release|lto, --gate [--update] alone, \
                 --render alone, or {names}"
            )
            .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_is_short() {
        let options = Options::parse(&["--quick"]).unwrap();
        assert!(options.is_whole() && options.quick && options.rounds == 3);
        assert_eq!(options.profiles, [Profile::Release]);
        assert!(!options.needs(Profile::Lto) && !options.needs(Profile::Profiling));
        assert!(options.sections.iter().all(|section| section.name != "pipe"));
        assert!(Options::parse(&[]).unwrap().needs(Profile::Lto));
    }

    #[test]
    fn named_sections_are_no_report() {
        let options = Options::parse(&["--seconds", "1", "memory"]).unwrap();
        assert!(!options.is_whole() && options.seconds == 1.0 && options.sections.len() == 1);
        for wrong in [&["--rounds", "0"][..], &["--seconds", "-1"], &["unknown"], &["--profile", "debug"]] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
