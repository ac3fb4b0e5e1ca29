//! Durations as arguments.

use std::time::Duration;

/// The longest time that the header `grpc-timeout` can tell.
const MOST: Duration = Duration::from_secs(99_999_999 * 3600);

/// `500ms`, `5s`, `2m` or `1h`; a number alone is in seconds, as with grpcurl.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let number_ends = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_ends);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(expected()),
    };
    let number: f64 = number.parse().map_err(|_| expected())?;
    let duration = Duration::try_from_secs_f64(number * seconds).map_err(|_| expected())?;
    if duration > MOST { Err("the longest duration is 99999999h".to_owned()) } else { Ok(duration) }
}

fn expected() -> String {
    "expected a duration such as 500ms, 5s, 2m or 1h; a number alone is in seconds".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("99999999h"), Ok(MOST));
        assert_eq!(parse("99999999999h"), Err("the longest duration is 99999999h".to_owned()));
        for wrong in ["", "s", "5 s", "-1", "1d", "1.2.3", "99999999999999999999h"] {
            assert_eq!(parse(wrong), Err(expected()), "{wrong}");
        }
    }
}
