mod activation;
mod child;
mod connections;
mod descriptors;
mod hand_over;

mod kill;
mod ledger;
mod plugins;
mod proc;
mod report;
mod stalled;
mod start;
mod stopped;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use report::Report;

/// What every function of a scenario returns: the first error ends it.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// No call of a scenario waits for longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Parser)]
#[command(about = "What breaks around an endpoint, done on purpose and counted")]
struct Arguments {
    /// A few seconds a scenario, as the tests run it
    #[arg(long)]
    short: bool,
    #[command(subcommand)]
    role: Option<Role>,
    /// Which scenarios; all of them without any
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// The server is killed with SIGKILL again and again under clients that write to its journal
    Kill,
    /// The server is replaced by the next one again and again, under clients with plain calls
    HandOver,
    /// Clients race to start one server
    Start,
    /// Calls that meet the end of an idle server
    IdleExit,
    /// As many connections as descriptors allow, idle and after a call, beside tonic's server
    Connections,
    /// The server has no descriptor left
    Descriptors,
    /// SIGSTOP of either end, with and without keepalive
    Stopped,
    /// Readers and writers that stall, beside a steady client
    Stalled,
    /// Plug-ins over socketpairs, and a host that is killed
    Plugins,
    /// Sockets that systemd has made
    Activation,
}

/// The programs that a scenario starts.
#[derive(Subcommand)]
enum Role {
    #[command(name = "role-server", hide = true)]
    Server(ledger::ServerOptions),
    #[command(name = "role-client", hide = true)]
    Client(stopped::ClientOptions),
    #[command(name = "role-launch", hide = true)]
    Launch(start::LaunchOptions),
    #[command(name = "role-host", hide = true)]
    Host(plugins::HostOptions),
    #[command(name = "role-plugin", hide = true)]
    Plugin,
}

/// How much of a scenario is run.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    short: bool,
}

impl Scale {
    /// `full`, or `short` when it has to be quick.
    pub(crate) fn of(self, full: usize, short: usize) -> usize {
        if self.short { short } else { full }
    }
}

pub(crate) fn main() -> ExitCode {
    let Arguments { short, role, scenarios } = Arguments::parse();
    let result = match role {
        Some(Role::Server(options)) => ledger::serve(options),
        Some(Role::Client(options)) => stopped::client(&options),
        Some(Role::Launch(options)) => start::launch(&options),
        Some(Role::Host(options)) => plugins::host(&options),
        Some(Role::Plugin) => plugins::plugin(),
        None if scenarios.is_empty() => run(Scenario::value_variants(), Scale { short }),
        None => run(&scenarios, Scale { short }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the scenarios one after the other, all of them, also after one that has failed.
fn run(scenarios: &[Scenario], scale: Scale) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut failed = Vec::new();
    for scenario in scenarios {
        let name = scenario.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        let mut report = Report::new(&name);
        let result = runtime.block_on(async {
            match scenario {
                Scenario::Kill => kill::run(scale, &mut report).await,
                Scenario::HandOver => hand_over::run(scale, &mut report).await,
                Scenario::Start => start::run(scale, &mut report).await,
                Scenario::IdleExit => start::idle(scale, &mut report).await,
                Scenario::Connections => connections::run(scale, &mut report).await,
                Scenario::Descriptors => descriptors::run(scale, &mut report).await,
                Scenario::Stopped => stopped::run(scale, &mut report).await,
                Scenario::Stalled => stalled::run(scale, &mut report).await,
                Scenario::Plugins => plugins::run(scale, &mut report).await,
                Scenario::Activation => activation::run(scale, &mut report).await,
            }
        });
        if let Err(error) = result {
            report.fail(&error.to_string());
        }
        if !report.is_good() {
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}
