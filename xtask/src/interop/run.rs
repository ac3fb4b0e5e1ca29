//! One cell: runs a server and a client, and reads what the client prints.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::cases::{self, Outcome, Setting};
use super::lacks::Lack;
use super::matrix::Cell;
use super::peers::{Peer, under_wine};
use super::process::Process;
use super::transport::{Place, Transport};
use crate::Result;

/// A server must listen within this time. Under Wine on a busy machine, .NET takes some seconds.
const START: Duration = Duration::from_secs(60);
/// A client must end within this time. It ends a case that hangs after 20 seconds.
const CLIENT: Duration = Duration::from_secs(240);
/// How a program says that its stack lacks the transport.
const NOT_APPLICABLE: &str = "not applicable: ";

/// A client and a server to run with each other.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) client: &'static Peer,
    pub(super) server: &'static Peer,
    pub(super) transport: Transport,
}

impl Job {
    /// Runs these cases. Explains failures on standard error.
    pub(super) fn run(self, cases: &[&'static str]) -> Cell {
        let mut outcomes = BTreeMap::new();
        let mut to_run = Vec::new();
        let lacking = self.client.has_no(self.transport).or(self.server.has_no(self.transport));
        for &case in cases {
            let not_run = lacking
                .or_else(|| Lack::not_run(self.client.client_lacks, case))
                .or_else(|| Lack::not_run(self.server.server_lacks, case));
            match not_run {
                Some(why) => _ = outcomes.insert(case, Outcome::NotApplicable(why.to_owned())),
                None => to_run.push(case),
            }
        }
        for setting in Setting::ALL {
            let cases: Vec<_> = to_run.iter().copied().filter(|case| Setting::of(case) == setting).collect();
            if !cases.is_empty() {
                let result = self.run_with(setting, &cases);
                let failed = |error: Box<dyn std::error::Error>| {
                    cases.iter().map(|case| (*case, Outcome::Failed(error.to_string()))).collect()
                };
                outcomes.extend(result.unwrap_or_else(failed));
            }
        }
        Cell {
            client: self.client.name.to_owned(),
            server: self.server.name.to_owned(),
            transport: self.transport,
            // In the order in which cases are listed.
            cases: cases::ALL
                .into_iter()
                .filter_map(|case| Some((case.to_owned(), outcomes.remove(case)?)))
                .collect(),
        }
    }

    /// Runs these cases between a server and a client with these options.
    fn run_with(self, setting: Setting, cases: &[&'static str]) -> Result<BTreeMap<&'static str, Outcome>> {
        let directory = TempDir::with_prefix("grpc-ipc-")?;
        let mut place = Place::new(self.transport, self.server, directory.path())?;
        let mut server = self.start_server(&place, setting, directory.path())?;
        let all = |outcome: Outcome| Ok(cases.iter().map(|case| (*case, outcome.clone())).collect());
        match server.wait_for("listening on ") {
            Ok(line) => place.listening(&line)?,
            Err(error) => {
                return match not_applicable(&server) {
                    Some(lacking) => all(lacking),
                    None => {
                        eprintln!("{}", server.report());
                        all(Outcome::Failed(format!("the server: {error}")))
                    }
                };
            }
        }
        let address = place.address(self.client);
        let words = ["call", &*address].into_iter().chain(cases.iter().copied());
        let options = setting
            .client_options()
            .iter()
            .chain(self.client.options_for_server(self.server, self.transport));
        let arguments: Vec<_> = words.chain(options.copied()).map(str::to_owned).collect();
        let command = self.client.command(self.transport, &arguments);
        let mut client = Process::start(command, directory.path(), "client", CLIENT)?;
        let status = client.finish()?;
        if let Some(lacking) = not_applicable(&client) {
            return all(lacking);
        }

        let printed: BTreeMap<_, _> = client.stdout()?.lines().filter_map(cases::parse).collect();
        let mut outcomes = BTreeMap::new();
        let ended = match status {
            Some(status) => format!("ended with {status}"),
            None => "was killed, because its time was over".to_owned(),
        };
        let said = client.stderr().lines().last().unwrap_or_default().to_owned();
        for case in cases {
            let unreported = || Outcome::Failed(format!("not reported; the client {ended}: {said}"));
            let outcome = printed.get(case).cloned().unwrap_or_else(unreported);
            let outcome = Lack::judge(self.client.client_lacks, case, outcome);
            outcomes.insert(*case, Lack::judge(self.server.server_lacks, case, outcome));
        }
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
        let complete = printed.len() >= cases.len() && !printed.values().any(failed);
        if complete && !status.is_some_and(|status| status.success()) {
            outcomes.insert(cases[0], Outcome::Failed(format!("no case failed, but the client {ended}")));
        }
        // Under Wine, a program cannot be asked to stop.
        if !under_wine(self.transport)
            && !cfg!(windows)
            && let Err(error) = server.stop()
        {
            outcomes.insert(cases[0], Outcome::Failed(format!("after all cases: {error}")));
        }
        if outcomes.values().any(failed) {
            eprintln!("{}\n{}", server.report(), client.report());
        }
        Ok(outcomes)
    }

    fn start_server(self, place: &Place, setting: Setting, directory: &Path) -> Result<Process> {
        let address = place.address(self.server);
        let words = ["serve", &*address].into_iter().chain(setting.server_options().iter().copied());
        let arguments: Vec<_> = words.map(str::to_owned).collect();
        let command = self.server.command(self.transport, &arguments);
        Process::start(command, directory, "server", START + CLIENT)
    }
}

/// The program's reason why nothing can be run on this transport, if that is what it said.
fn not_applicable(process: &Process) -> Option<Outcome> {
    let stderr = process.stderr();
    let why = stderr.lines().find_map(|line| line.strip_prefix(NOT_APPLICABLE))?;
    Some(Outcome::NotApplicable(why.to_owned()))
}
