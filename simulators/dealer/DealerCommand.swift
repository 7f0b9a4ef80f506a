import ArgumentParser
import Foundation
import Telemetry

/// A dealer that works: an advisor who calls, owners who answer, a workshop that finds.
@main
struct DealerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dealer-simulator",
        abstract:
            "Works through a simulated fleet's suggestions over the gateway's HTTP interface.",
        discussion: """
            It calls, books, receives cars and writes findings in played time, and hands over to the
            person at the page when the present is reached; then it goes on with the workshop alone.

            Examples:
              dealer-simulator owners --vehicles 120 > owners.csv
              dealer-simulator work --catch-up 1761438600000,1764030600000,30000
            """,
        subcommands: [Work.self, Owners.self],
        defaultSubcommand: Work.self
    )

    struct Work: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Calls, books, receives cars, until it is stopped."
        )

        @Option(help: "The gateway's address.")
        var url = "http://127.0.0.1:8080"

        @Option(help: "Where the broker listens; repaired cars are told there.")
        var broker = "127.0.0.1:18883"

        @Option(help: "start,anchor,speed, the same as of gateway serve and fleet-simulator.")
        var catchUp: String

        @Option(help: "The same seed gives the same answers.")
        var seed: UInt64 = 1

        func validate() throws {
            guard CatchUpClock(catchUp) != nil else {
                throw ValidationError("--catch-up takes START,ANCHOR,SPEED.")
            }
            guard broker.split(separator: ":").count == 2, port != nil else {
                throw ValidationError("--broker takes host:port.")
            }
        }

        private var port: Int? { Int(broker.split(separator: ":").last ?? "") }

        func run() async throws {
            guard let clock = CatchUpClock(catchUp) else { return }
            var run = DealerRun(
                api: GatewayAPI(url: url),
                line: try FleetLine(host: String(broker.split(separator: ":")[0]), port: port ?? 0),
                clock: clock,
                seed: seed
            )
            try await run.work()
        }
    }

    struct Owners: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Writes an owner for every simulated car, as `gateway customers import` reads."
        )

        @Option(help: "Vehicles of the fleet, 1…100000.")
        var vehicles = 120

        @Option(help: "The owners' language: zh-Hans or en.")
        var language = "zh-Hans"

        func validate() throws {
            guard (1...100_000).contains(vehicles), ["zh-Hans", "en"].contains(language) else {
                throw ValidationError("--vehicles takes 1…100000, --language zh-Hans or en.")
            }
        }

        func run() {
            for line in OwnerList(vehicles: vehicles, language: language).lines { print(line) }
        }
    }

    static func wall() -> Timestamp {
        Timestamp(milliseconds: Int64((Date().timeIntervalSince1970 * 1_000).rounded()))
    }
}
