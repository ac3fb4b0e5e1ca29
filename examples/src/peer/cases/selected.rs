use std::{error::Error, fmt};

use super::{Case, Scene, channel::Transport, extended, failure::Failure, official};

/// The cases that the command line asks for.
pub(crate) struct Selected {
    pub(crate) names: Vec<String>,
    /// Without names: the extended cases instead of gRPC's own.
    pub(crate) extended: bool,
    pub(crate) max_message_size: Option<usize>,
}

impl Selected {
    /// Runs the cases one after another, and prints a line for each. Returns whether none failed.
    ///
    /// # Errors
    ///
    /// If a name is unknown, or if connecting fails.
    pub(crate) async fn run<T: Transport>(
        &self,
        connect: impl AsyncFnOnce() -> Result<T, Box<dyn Error>>,
    ) -> Result<bool, Box<dyn Error>> {
        let cases = self.cases()?;
        let scene = Scene { channel: connect().await?, max_message_size: self.max_message_size };
        let mut passed = true;
        for case in cases {
            match case.run(scene.clone()).await {
                Ok(()) => println!("{}: passed", case.name),
                Err(Failure::NotApplicable(why)) => println!("{}: not applicable: {why}", case.name),
                Err(failure) => {
                    passed = false;
                    println!("{}: failed: {failure}", case.name);
                }
            }
        }
        Ok(passed)
    }

    fn cases<T: Transport>(&self) -> Result<Vec<Case<T>>, UnknownCase> {
        match (&self.names[..], self.extended) {
            ([], false) => Ok(official().into()),
            ([], true) => Ok(extended().into()),
            (names, _) => names.iter().map(|name| find(name)).collect(),
        }
    }
}

fn find<T: Transport>(name: &str) -> Result<Case<T>, UnknownCase> {
    let mut cases = official().into_iter().chain(extended());
    cases.find(|case| case.name == name).ok_or_else(|| UnknownCase {
        name: name.to_owned(),
        known: official::<T>().into_iter().chain(extended()).map(|case| case.name).collect(),
    })
}

/// The name of an unknown case.
#[derive(Debug)]
struct UnknownCase {
    name: String,
    known: Vec<&'static str>,
}

impl fmt::Display for UnknownCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown case {:?}; the cases are: {}", self.name, self.known.join(", "))
    }
}

impl Error for UnknownCase {}

#[cfg(test)]
mod tests {
    use tonic::service::Routes;

    use super::*;
    use crate::services;

    #[tokio::test]
    async fn the_services_pass_the_cases_without_a_transport() {
        // These depend on the transport.
        let needs_one = |name: &str| {
            name.starts_with("cancel_")
                || name.starts_with("timeout_")
                || name.ends_with("_passed")
                || name == "large_metadata"
        };
        let (max_message_size, mut passed) = (Some(80_000_000), 0);
        let options = services::Options { max_message_size, ..Default::default() };
        let scene = Scene { channel: services::routes(options).await, max_message_size };
        for case in all().into_iter().filter(|case| !needs_one(case.name)) {
            match case.run(scene.clone()).await {
                Ok(()) => passed += 1,
                // The services have no limit here.
                Err(failure) => assert_eq!(case.name, "message_too_large", "{failure}"),
            }
        }
        assert_eq!(passed, 27);
    }

    #[tokio::test]
    async fn without_the_services_only_the_unimplemented_cases_pass() {
        let scene = Scene { channel: Routes::default(), max_message_size: Some(80_000_000) };
        for case in all() {
            let expected = case.name.starts_with("unimplemented_");
            assert_eq!(case.run(scene.clone()).await.is_ok(), expected, "{}", case.name);
        }
    }

    #[test]
    fn no_names_select_a_set_and_names_their_own() {
        let names = |names: &[&str], extended| {
            let names = names.iter().copied().map(String::from).collect();
            let selected = Selected { names, extended, max_message_size: None };
            selected.cases::<Routes>().map(|cases| cases.iter().map(|case| case.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[], false).unwrap(), official::<Routes>().map(|case| case.name));
        assert_eq!(names(&[], true).unwrap(), extended::<Routes>().map(|case| case.name));
        let some = ["ping_pong", "health", "empty_unary"];
        assert_eq!(names(&some, false).unwrap(), some);

        let error = names(&["ping-pong"], false).unwrap_err().to_string();
        assert!(error.contains(r#""ping-pong""#) && error.contains("ping_pong, "), "{error}");
    }

    fn all() -> Vec<Case<Routes>> {
        official().into_iter().chain(extended()).collect()
    }
}
