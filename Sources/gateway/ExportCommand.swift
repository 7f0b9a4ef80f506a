import ArgumentParser
import GatewayApp

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes the stored readings as CSV.",
        discussion: """
            Columns: vehicle,signal,observed,value,quality; each vehicle in order of time. The
            gateway that works on the store must be stopped first.

            Examples:
              gateway export > readings.csv
              gateway export --vehicle v17 --signal Vehicle.LowVoltageBattery.CurrentVoltage
            """
    )

    @Option(help: "Settings; paths inside are relative to that file.")
    var config = "config/gateway.yaml"

    @Option(help: "The database, instead of the one in the settings.")
    var store: String?

    @Option(help: "Only this vehicle.")
    var vehicle: String?

    @Option(help: "Only this signal of the catalogue.")
    var signal: String?

    func run() throws {
        do {
            try Export.run(
                configPath: config,
                storePath: store,
                vehicle: vehicle,
                signal: signal
            )
        } catch {
            throw failure(error)
        }
    }
}
