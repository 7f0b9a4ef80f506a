import ArgumentParser
import Foundation
import GatewayCore
import Store
import Telemetry

/// A whole gateway with many vehicles: memory, and the time to reload its rules and to start again.
struct MemoryBench: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "memory")

    @OptionGroup var settings: ConfigOption

    @Option(help: "Vehicles, each with eight signals.")
    var vehicles = 100_000

    @Option(help: "Packets of each.")
    var packets = 3

    @Option(help: "Folder of the database.")
    var folder = FileManager.default.temporaryDirectory.path

    func run() throws {
        let assembly = try settings.assembly()
        let path = "\(folder)/gateway-bench-\(getpid()).sqlite"
        defer {
            for suffix in ["", "-wal", "-shm", ".lock"] {
                try? FileManager.default.removeItem(atPath: path + suffix)
            }
        }
        let before = residentBytes()
        let store = try GatewayStore(path: path, durability: .scratch)
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
        var clock = ContinuousClock.now
        _ = try writer.commit(gateway.step(reload, now: gateway.now))
        Figure(
            name: "reload the rules with \(vehicles) vehicles",
            value: span(since: clock),
            unit: "s"
        ).print()
        try store.close()
        clock = ContinuousClock.now
        let again = try GatewayStore(path: path, durability: .scratch)
        let newWriter = try Writer(
            store: again,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        var (restored, recall) = try assembly.start(again, newWriter, now: gateway.now)
        Figure(
            name: "start again with \(vehicles) vehicles, until packets are taken",
            value: span(since: clock),
            unit: "s"
        ).print()
        while try recall.step(&restored) {}
        Figure(
            name: "start again with \(vehicles) vehicles, until the rules know all",
            value: span(since: clock),
            unit: "s"
        ).print()
        try again.close()
    }

    private func span(since begun: ContinuousClock.Instant) -> Double {
        let passed = (ContinuousClock.now - begun).components
        return Double(passed.seconds) + Double(passed.attoseconds) / 1e18
    }
}
