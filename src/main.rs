//! Parses the command line, starts logging, runs, and turns the outcome into an exit code; nothing else.

use std::process::ExitCode;

use clap::Parser;
use rocketmq_store_exporter::app;
use rocketmq_store_exporter::cli::{Cli, EXIT_COULD_NOT_RUN, EXIT_RAN, OneLine, Task};
use rocketmq_store_exporter::config::{LogFormat, LogLevel, LogOptions};
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let outcome = match Cli::parse().into_task() {
        Task::Exit(code) => return code.into(),
        Task::Serve(config) => {
            start_logging(config.log);
            app::serve(&config)
        }
        Task::Check(config) => {
            start_logging(config.log);
            app::check(&config);
            Ok(())
        }
        Task::Demo { listen_addresses, log } => {
            start_logging(log);
            app::demo(&listen_addresses)
        }
    };
    match outcome {
        Ok(()) => EXIT_RAN.into(),
        Err(error) => {
            tracing::error!(%error, "could not run");
            EXIT_COULD_NOT_RUN.into()
        }
    }
}

fn start_logging(options: LogOptions) {
    let level = match options.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_writer(|| OneLine(std::io::stderr()));
    match options.format {
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
        LogFormat::Logfmt => subscriber
            .event_format(tracing_logfmt::EventsFormatter::default())
            .fmt_fields(tracing_logfmt::FieldsFormatter::default())
            .init(),
    }
}
