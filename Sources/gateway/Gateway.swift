import ArgumentParser
import Foundation

/// `gateway`: takes in vehicles' readings, warns before limits are met, books visits.
@main
struct GatewayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway",
        abstract: "Telematics ingest and predictive alerts for connected vehicles.",
        discussion: """
            Examples:
              gateway serve --config config/gateway.yaml
              gateway replay recording.jsonl.gz --alerts alerts.csv
            """,
        subcommands: [
            ServeCommand.self, ReplayCommand.self, ExportCommand.self, SourcesCommand.self,
            RulesCommand.self, QuarantineCommand.self, UsersCommand.self, TokensCommand.self,
            CustomersCommand.self, AuditCommand.self, BrokerConfigCommand.self,
            DoctorCommand.self,
        ]
    )
}

/// Ends with the error's own words and exit code 1; a file that is wrong has its line in them.
func failure(_ error: any Error) -> ExitCode {
    FileHandle.standardError.write(Data("gateway: \(error)\n".utf8))
    return ExitCode.failure
}
