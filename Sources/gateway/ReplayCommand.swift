import ArgumentParser
import GatewayApp

extension ReplayOptions.SummaryFormat: ExpressibleByArgument {}

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Runs recorded readings through the same core as live traffic.",
        discussion: """
            A recording is JSON Lines, plain or .gz:
              {"vehicle":"v1","signal":"Vehicle.Speed","ts":"2026-11-21T10:15:30Z","value":42}
            Recorded time is the clock: "rx" where a line has it (arrival), else "ts". The same
            recording gives the same bytes every time. Nothing is sent anywhere.

            Examples:
              gateway replay fleet.jsonl.gz
              gateway replay fleet.jsonl --vehicles vehicles.csv --alerts alerts.csv --summary json
              gateway replay readings.jsonl --vehicles vehicles.csv --limits rules.csv \
                --alerts alerts.csv --predictions predictions.csv
            """
    )

    @Argument(help: "Recordings, in the order in which they are read.")
    var recordings: [String]

    @Option(help: "Settings; paths inside are relative to that file.")
    var config = "config/gateway.yaml"

    @Option(help: "CSV of vehicles and their reference values (placard pressure, station …).")
    var vehicles: String?

    @Option(help: "CSV of limits of single vehicles: vehicle,component,signal,direction,threshold.")
    var limits: String?

    @Option(help: "Keep the database in this new file instead of a scratch one.")
    var store: String?

    @Option(help: "Write raised alerts: vehicle,component,raised_at,predicted_crossing.")
    var alerts: String?

    @Flag(help: "Write moved dates and clearings too, with a fifth column: type.")
    var alertChanges = false

    @Option(
        help:
            """
            Write what is foreseen, a row a day: \
            vehicle,component,at,predicted_crossing,early,late,rule.
            """
    )
    var predictions: String?

    @Option(help: "Write the suggestions as they were first made.")
    var suggestions: String?

    @Option(help: "Write what could not be judged: vehicle,component,kind,since,until,text.")
    var troubles: String?

    @Option(help: "Form of the summary on standard output: text or json.")
    var summary = ReplayOptions.SummaryFormat.text

    func validate() throws {
        guard !recordings.isEmpty else {
            throw ValidationError("Name at least one recording.")
        }
    }

    func run() throws {
        var options = ReplayOptions()
        options.recordings = recordings
        options.configPath = config
        options.vehiclesPath = vehicles
        options.limitsPath = limits
        options.storePath = store
        options.alertsPath = alerts
        options.includesAlertChanges = alertChanges
        options.predictionsPath = predictions
        options.suggestionsPath = suggestions
        options.troublesPath = troubles
        options.summary = summary
        do { try Replay.run(options) } catch { throw failure(error) }
    }
}
