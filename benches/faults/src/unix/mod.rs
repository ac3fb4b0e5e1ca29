mod activation;
mod attacks;
mod busy;
mod bystander;
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

/// The result of every function of a scenario. The first error ends the scenario.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The longest time that a call of a scenario waits.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Parser)]
#[command(about = "What breaks around an endpoint, done on purpose and counted")]
struct Arguments {
    /// Run for a few seconds each, as the tests do
    #[arg(long)]
    short: bool,
    #[command(subcommand)]
    role: Option<Role>,
    /// The scenarios to run. Default: all
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// A server is killed with SIGKILL again and again, while clients write to its journal
    Kill,
    /// A server is replaced by the next one again and again, while clients call
    HandOver,
    /// Clients race to start one server
    Start,
    /// Calls that meet the end of an idle server
    IdleExit,
    /// As many connections as descriptors allow, idle and after a call, compared with tonic's server
    Connections,
    /// A server without a free descriptor
    Descriptors,
    /// SIGSTOP of either end, with and without keepalive
    Stopped,
    /// Readers and writers that stall, next to a steady client
    Stalled,
    /// Thousands of deadlines, cancellations and calls on one connection, from three implementations of gRPC
    Busy,
    /// Floods of frames, and a client that does not read its responses
    Attacks,
    /// Plug-ins over socketpairs, and a host that is killed
    Plugins,
    /// Sockets that systemd has created
    Activation,
}

/// The programs that a scenario starts.
#[derive(Subcommand)]
enum Role {
    #[command(name = "role-server", hide = true)]
    Server(ledger::ServerOptions),
    #[command(name = "role-client", hide = true)]
    Client(stopped::ClientOptions),
    #[command(name = "role-busy", hide = true)]
    Busy(busy::BusyOptions),
    #[command(name = "role-launch", hide = true)]
    Launch(start::LaunchOptions),
    #[command(name = "role-host", hide = true)]
    Host(plugins::HostOptions),
    #[command(name = "role-plugin", hide = true)]
    Plugin,
}

/// The extent of a run.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    short: bool,
}

impl Scale {
    /// Returns `full`, or `short` for a short run.
    pub(crate) fn of(self, full: usize, short: usize) -> usize {
        if self.short { short } else { full }
    }
}

pub(crate) fn main() -> ExitCode {
    let Arguments { short, role, scenarios } = Arguments::parse();
    let result = match role {
        Some(Role::Server(options)) => ledger::serve(options),
        Some(Role::Client(options)) => stopped::client(&options),
        Some(Role::Busy(options)) => busy::client_of_ours(&options),
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

/// Runs all scenarios one after the other, even after a failure.
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
                Scenario::Busy => busy::run(scale, &mut report).await,
                Scenario::Attacks => attacks::run(scale, &mut report).await,
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
