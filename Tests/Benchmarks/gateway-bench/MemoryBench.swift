import ArgumentParser
import Foundation
import GatewayCore
import Store
import Telemetry

/// A whole gateway with many vehicles: memory, and the time to reload its rules.
struct MemoryBench: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "memory")

    @OptionGroup var settings: ConfigOption

    @Option(help: "Vehicles, each with eight signals.")
    var vehicles = 100_000

    @Option(help: "Packets of each.")
    var packets = 3

    @Option(help: "Database; it is left behind, so that `start` may start again on it.")
    var store = FileManager.default.temporaryDirectory.path + "/gateway-bench.sqlite"

    func run() throws {
        let assembly = try settings.assembly()
        let before = residentBytes()
        let store = try GatewayStore(path: self.store, durability: .scratch)
        var gateway = assembly.makeGateway()
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        var generator = Generator()
        var wanted: [VehicleID] = []
        var seconds = 0.0
        for round in 0..<packets {
            let time = Timestamp(milliseconds: 1_772_323_200_000) + .hours(Int64(round * 8))
            for first in stride(from: 0, to: vehicles, by: 1_000) {
                var batch = PacketBatch()
                for vehicle in first..<min(first + 1_000, vehicles) {
                    batch.append(
                        topic: "vehicles/vehicle-\(vehicle)/telemetry".utf8,
                        payload: Packet.json(
                            sequence: round + 1,
                            time: "\(time)",
                            Packet.signals.indices.map {
                                Packet.steady($0, of: vehicle, &generator)
                            }
                        ).utf8,
                        receivedAt: time
                    )
                }
                let begun = processorSeconds()
                let unit = gateway.step(.packets(batch), now: time, checkpointing: wanted)
                wanted = try writer.commit(unit).wanted
                seconds += processorSeconds() - begun
            }
            let begun = processorSeconds()
            _ = try writer.commit(gateway.step(.tick, now: time + .minutes(3)))
            seconds += processorSeconds() - begun
        }
        let series = Double(vehicles * 8)
        Figure(
            name: "core and store, \(vehicles) vehicles",
            value: seconds / series / Double(packets) * 1e9,
            unit: "ns CPU/reading"
        ).print()
        Figure(
            name: "memory of a gateway, \(vehicles) vehicles",
            value: Double(residentBytes() - before) / series,
            unit: "B/signal"
        ).print()
        let reload = Input.command(
            .reload(RuleSet(rules: assembly.rules, limits: [:]), by: Actor("bench", .engineer))
        )
        let clock = ContinuousClock.now
        _ = try writer.commit(gateway.step(reload, now: gateway.now))
        Figure(
            name: "reload the rules with \(vehicles) vehicles",
            value: span(since: clock),
            unit: "s"
        ).print()
        try store.close()
    }
}

/// A gateway that starts again on what another has stored, in a process of its own.
struct StartBench: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "start")

    @OptionGroup var settings: ConfigOption

    @Option(help: "Database that `memory` has left.")
    var store: String

    func run() throws {
        let assembly = try settings.assembly()
        let clock = ContinuousClock.now
        let store = try GatewayStore(path: self.store, durability: .scratch)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        let time = Timestamp(milliseconds: 1_772_323_200_000)
        var (gateway, recall) = try assembly.start(store, writer, now: time)
        Figure(
            name: "start again with \(gateway.vehicleCount) vehicles, until packets are taken",
            value: span(since: clock),
            unit: "s"
        ).print()
        while try recall.step(&gateway) {}
        Figure(
            name: "start again with \(gateway.vehicleCount) vehicles, until the rules know all",
            value: span(since: clock),
            unit: "s"
        ).print()
        try store.close()
    }
}

private func span(since begun: ContinuousClock.Instant) -> Double {
    let passed = (ContinuousClock.now - begun).components
    return Double(passed.seconds) + Double(passed.attoseconds) / 1e18
}
