//! The scheduler as a process of its own: not yet.

fn main() -> std::process::ExitCode {
    eprintln!("the scheduler does not run as a process of its own yet; `arbalest serve` has one inside");
    std::process::ExitCode::FAILURE
}
