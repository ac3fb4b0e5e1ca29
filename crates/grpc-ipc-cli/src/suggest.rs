//! The name that was probably meant.

/// The closest of `names` to `wrong`, if one is close.
pub(crate) fn closest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = wrong;
    let wrong = wrong.to_lowercase();
    names
        .into_iter()
        // The same name may exist elsewhere, but here it is the wrong one.
        .filter(|name| *name != given)
        .filter_map(|name| {
            let lower = name.to_lowercase();
            // The package was left out, or another one was given.
            let same_end = last_part(&lower) == last_part(&wrong);
            let distance = distance(&wrong, &lower).min(if same_end { 1 } else { usize::MAX });
            let limit = (wrong.chars().count() / 3).max(1);
            (distance <= limit).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// "Did you mean `name`?", if one of `names` is close to `wrong`.
pub(crate) fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(wrong, names).map(|name| format!("Did you mean `{name}`?"))
}

fn last_part(name: &str) -> &str {
    name.rsplit(['.', '/']).next().unwrap_or(name)
}

/// How many characters have to be inserted, removed, replaced or swapped with the next one.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before_last = vec![0; to.len() + 1];
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1; to.len() + 1];
        for (j, b) in to.iter().enumerate() {
            row[j + 1] = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == &to[j - 1] && b == &from[i - 1] {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_names_are_recognised() {
        let names = ["greet.Greeter", "grpc.health.v1.Health"];
        assert_eq!(closest("greet.Greter", names), Some("greet.Greeter"));
        assert_eq!(closest("greet.greeter", names), Some("greet.Greeter"));
        assert_eq!(closest("Greeter", names), Some("greet.Greeter"));
        assert_eq!(closest("hello.Greeter", names), Some("greet.Greeter"));
        assert_eq!(closest("nmae", ["name", "number"]), Some("name"));
        assert_eq!(closest("payment.Orders", names), None);
    }
}
