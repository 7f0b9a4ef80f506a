import ArgumentParser
import Foundation
import MQTTSource
import Telemetry

/// A fleet that publishes like real cars, at a chosen speed, and keeps what is not confirmed.
@main
struct FleetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet-simulator",
        abstract: "Publishes a seeded fleet over MQTT and resends what is not confirmed.",
        discussion: """
            The fleet's history is played first, then it goes on in real time. A gateway that is to
            see the same times is started with the same --catch-up.

            Examples:
              fleet-simulator --vehicles 100 --days 30 --speed-up 20000
              fleet-simulator --seed 7 --broker 127.0.0.1:1883 --stop-when-confirmed
            """
    )

    @Option(help: "Where the broker listens.")
    var broker = "127.0.0.1:18883"

    @Option(help: "Vehicles, 1…100000.")
    var vehicles = 120

    @Option(help: "The same seed gives the same fleet.")
    var seed: UInt64 = 1

    @Option(help: "Days of history to play before real time.")
    var days = 30

    @Option(help: "How many times faster than real time history is played.")
    var speedUp = 30_000.0

    @Option(help: "Instead of --days and --speed-up: start,anchor,speed as for gateway serve.")
    var catchUp: String?

    @Option(help: "Share of vehicles with an ailing part, 0…1.")
    var ailing = 0.3

    @Option(help: "Share of vehicles whose device sends nonsense now and then, 0…1.")
    var faulty = 0.04

    @Option(help: "Seconds after the present is reached at which one tyre is punctured; 0: never.")
    var puncture = 30

    @Flag(help: "End when the present is reached and everything is confirmed.")
    var stopWhenConfirmed = false

    func validate() throws {
        guard (1...100_000).contains(vehicles), (0...3_650).contains(days), speedUp >= 1,
            (0...1).contains(ailing), (0...1).contains(faulty)
        else { throw ValidationError("A number is out of its range; see --help.") }
        guard broker.split(separator: ":").count == 2, port != nil else {
            throw ValidationError("--broker takes host:port.")
        }
        if let catchUp, CatchUpClock(catchUp) == nil {
            throw ValidationError("--catch-up takes START,ANCHOR,SPEED.")
        }
    }

    private var port: Int? { Int(broker.split(separator: ":").last ?? "") }

    func run() throws {
        let wall = FleetCommand.wall()
        let clock =
            catchUp.flatMap(CatchUpClock.init)
            ?? CatchUpClock(start: wall - .days(Int64(days)), anchor: wall, speed: speedUp)
        let fleet = (0..<vehicles).map {
            SimulatedVehicle(
                index: $0,
                seed: seed,
                start: clock.start,
                present: clock.anchor,
                ailing: ailing,
                faulty: faulty
            )
        }
        let address = BrokerAddress(
            host: String(broker.split(separator: ":")[0]),
            port: port ?? 0,
            clientID: "fleet-simulator-\(seed)",
            receiveMaximum: 1_000
        )
        var run = FleetRun(
            fleet: fleet,
            clock: clock,
            punctureSeconds: puncture,
            stopsWhenConfirmed: stopWhenConfirmed
        )
        try run.publish(to: address)
    }

    static func wall() -> Timestamp {
        Timestamp(milliseconds: Int64((Date().timeIntervalSince1970 * 1_000).rounded()))
    }
}
