use std::process::Output;

use crate::{ALICE, BOB, CAROL};

/// What became of a command.
pub(crate) struct Outcome {
    pub(crate) is: String,
    pub(crate) error: Option<String>,
}

impl Outcome {
    pub(crate) fn of(output: &Output) -> Self {
        if output.status.success() {
            return Self { is: "in".to_owned(), error: None };
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let error = said.lines().skip_while(|line| !line.starts_with("error: "));
        let error = error.map(str::trim).collect::<Vec<_>>().join("; ");
        let known = [
            ("the server is not trusted", "untrusted"),
            ("the server closed the connection at once", "refused"),
            ("unavailable", "refused"),
            ("is already in use by", "in use"),
            ("belongs to uid=", "not this user's"),
            ("can be written to by everyone", "others can write"),
            ("a symbolic link is at this path", "a link"),
            ("no server is listening", "nobody"),
        ];
        let is = known.into_iter().find(|(text, _)| error.contains(text)).map(|(_, is)| match who(&error) {
            Some(who) if is != "refused" => format!("{is}: {who}"),
            _ => is.to_owned(),
        });
        Self { is: is.unwrap_or_else(|| error.clone()), error: Some(error) }
    }
}

/// The user whom a message names first.
pub(crate) fn who(text: &str) -> Option<&'static str> {
    let (_, rest) = text.split_once("uid=")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(match digits.parse() {
        Ok(ALICE) => "Alice",
        Ok(BOB) => "Bob",
        Ok(CAROL) => "Carol",
        Ok(0) => "root",
        _ => "somebody else",
    })
}
