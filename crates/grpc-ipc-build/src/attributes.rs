use syn::Attribute;
use syn::parse::Parser as _;

use crate::Error;

/// User-defined attributes for the items that match a pattern: (pattern, attributes).
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes(Vec<(String, String)>);

impl Attributes {
    pub(crate) fn push(&mut self, pattern: impl AsRef<str>, attribute: impl AsRef<str>) {
        self.0.push((pattern.as_ref().to_owned(), attribute.as_ref().to_owned()));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(pattern, attribute)| (pattern.as_str(), attribute.as_str()))
    }

    /// Fails if a text is not an attribute, before any code is generated that cannot be parsed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.iter().try_for_each(|(_, text)| parse(text).map(drop))
    }

    /// The attributes of an item that has any of the fully qualified `paths` (`.greet.Greeter`).
    pub(crate) fn of(&self, paths: &[&str]) -> Result<Vec<Attribute>, Error> {
        let mut found = Vec::new();
        for (pattern, text) in self.iter() {
            if paths.iter().any(|path| matches(pattern, path)) {
                found.extend(parse(text)?);
            }
        }
        Ok(found)
    }
}

fn parse(text: &str) -> Result<Vec<Attribute>, Error> {
    match Attribute::parse_outer.parse_str(text) {
        Ok(attributes) if !attributes.is_empty() => Ok(attributes),
        Ok(_) => Err(Error::Attribute { text: text.to_owned(), reason: "it is empty".to_owned() }),
        Err(error) => Err(Error::Attribute { text: text.to_owned(), reason: error.to_string() }),
    }
}

/// Whether a pattern matches `path`, by the rules of prost-build: `.` matches everything; a pattern that begins with a
/// dot matches a package or an item, and its contents; any other pattern matches the end of a path.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    if pattern == "." || pattern == path {
        return true;
    }
    let inside = |rest: Option<&str>| rest.is_some_and(|rest| rest.starts_with('.'));
    if pattern.starts_with('.') {
        inside(path.strip_prefix(pattern))
    } else {
        !pattern.is_empty() && path.strip_suffix(pattern).is_some_and(|rest| rest.ends_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_prost_build() {
        for (pattern, path) in [
            (".", ".greet.Greeter"),
            (".greet", ".greet.Greeter"),
            (".greet.Greeter", ".greet.Greeter"),
            ("greet.Greeter", ".greet.Greeter"),
            ("Greeter", ".greet.Greeter"),
            ("Greeter", ".Greeter"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("", ".greet.Greeter"),
            (".gre", ".greet.Greeter"),
            ("eeter", ".greet.Greeter"),
            (".Greeter", ".greet.Greeter"),
            ("greeter", ".greet.Greeter"),
            (".greet.Greeter.SayHello", ".greet.Greeter"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_no_attribute_is_an_error() {
        let mut attributes = Attributes::default();
        attributes.push(".", "#[derive(Eq)] #[must_use]");
        assert!(attributes.check().is_ok());
        assert_eq!(attributes.of(&[".greet.Greeter"]).map(|found| found.len()).ok(), Some(2));
        attributes.push(".", "derive(Eq)");
        let error = attributes.check().unwrap_err().to_string();
        assert!(error.starts_with("`derive(Eq)` is not an attribute"), "{error}");
    }
}
