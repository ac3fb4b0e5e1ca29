use std::process::Output;

use crate::who;

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
        Self::of_error(error.map(str::trim).collect::<Vec<_>>().join("; "))
    }

    pub(crate) fn of_error(error: String) -> Self {
        let known = [
            ("the server is not trusted", "untrusted"),
            ("the server refuses this user", "refused"),
            ("is already in use", "in use"),
            ("belongs to uid=", "not this user's"),
            ("can be written to by everyone", "others can write"),
            ("a symbolic link is at this path", "a link"),
            ("no server is listening", "nobody"),
            ("nothing is there", "nobody"),
        ];
        let is = known.into_iter().find(|(text, _)| error.contains(text)).map(|(_, is)| match who(&error) {
            Some(who) if is != "refused" => format!("{is}: {who}"),
            _ => is.to_owned(),
        });
        Self { is: is.unwrap_or_else(|| error.clone()), error: Some(error) }
    }
}
