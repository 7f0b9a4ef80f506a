import ArgumentParser
import Foundation
import GatewayCore
import Store
import Telemetry

/// Commits of a thousand packets, until the file is old: cost, growth and reading back.
struct StoreBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "store")

    @OptionGroup var settings: ConfigOption

    @Option(help: "Readings in millions.")
    var millions = 10

    @Option(help: "Vehicles, each with eight signals, in random order.")
    var vehicles = 10_000

    @Option(help: "Folder of the database; it should be on the disk that is measured.")
    var folder = FileManager.default.temporaryDirectory.path

    func run() async throws {
        let assembly = try settings.assembly()
        let path = "\(folder)/gateway-bench-\(getpid()).sqlite"
        defer {
            for suffix in ["", "-wal", "-shm", ".lock"] {
                try? FileManager.default.removeItem(atPath: path + suffix)
            }
        }
        let store = try GatewayStore(path: path, durability: .full)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        let signals = Packet.signals.compactMap { assembly.catalogue.find(path: $0.path) }
        var generator = Generator()
        let start = Timestamp(milliseconds: 1_772_323_200_000)
        var names = CommitUnit()
        names.now = start
        names.vehicles = (0..<vehicles).map {
            VehicleRow(
                id: VehicleID(index: UInt32($0)),
                name: "v\($0)",
                profile: .init(),
                firstSeenAt: start
            )
        }
        _ = try writer.commit(names)
        let tenth = millions * 1_000_000 / 10
        var costs: [Double] = []
        var wanted: [VehicleID] = []
        var order: [Int] = []
        var round: Int64 = 0
        let writtenBefore = writtenBytes()
        var times: [Double] = []
        for _ in 0..<10 {
            var stored = 0
            var seconds = 0.0
            while stored < tenth {
                var unit = CommitUnit()
                for _ in 0..<1_000 {
                    if order.isEmpty {
                        order = (0..<vehicles).shuffled(using: &generator)
                        round += 1
                    }
                    let vehicle = VehicleID(index: UInt32(order.removeLast()))
                    // Every ten minutes, give or take: packets are never quite on time.
                    let jitter = Int64.random(in: -200...200, using: &generator)
                    let time = start + .minutes(round * 10) + Milliseconds(jitter)
                    for (index, signal) in signals.enumerated() {
                        unit.readings.append(
                            Reading(
                                vehicle: vehicle,
                                signal: signal,
                                observedAt: time,
                                receivedAt: time,
                                value: Packet.value(index, &generator),
                                quality: .good
                            )
                        )
                    }
                    unit.now = time
                }
                // As large as a real vehicle's.
                unit.checkpoints = wanted.map { ($0, [UInt8](repeating: 7, count: 700)) }
                let begun = processorSeconds()
                let clock = ContinuousClock.now
                let receipt = try writer.commit(unit)
                let passed = ContinuousClock.now - clock
                times.append(Double(passed.components.attoseconds) / 1e12)
                seconds += processorSeconds() - begun
                wanted = receipt.wanted
                stored += receipt.stored
            }
            costs.append(seconds / Double(stored) * 1e9)
        }
        let total = Double(tenth * 10)
        let written = Double(writtenBytes() - writtenBefore)
        times.sort()
        Figure(
            name: "store, \(millions) M readings of \(vehicles) vehicles",
            value: costs.reduce(0, +) / 10,
            unit: "ns CPU/reading"
        ).print()
        let tenths = costs.map { "\(Int($0))" }.joined(separator: " ")
        FileHandle.standardError.write(Data("ns/reading, tenth by tenth: \(tenths)\n".utf8))
        Figure(
            name: "store, last tenth",
            value: costs[9],
            unit: "ns CPU/reading",
            floor: "first tenth",
            floorValue: costs[0]
        ).print()
        Figure(name: "store, commit of 8,000, median", value: times[times.count / 2], unit: "µs")
            .print()
        Figure(
            name: "store, commit of 8,000, p99",
            value: times[times.count * 99 / 100],
            unit: "µs"
        )
        .print()
        Figure(name: "store, written", value: written / total, unit: "B/reading").print()
        try await query(store, start, round, "")
        try await withBusyCore { try await query(store, start, round, ", beside a busy core") }
        try store.close()
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
        Figure(name: "store, kept with journal", value: Double(size) / total, unit: "B/reading")
            .print()
    }

    /// 30 days of one signal of vehicles chosen at random.
    private func query(
        _ store: GatewayStore,
        _ start: Timestamp,
        _ round: Int64,
        _ note: String
    ) async throws {
        let reads = ReadStore(store)
        let end = start + .minutes(round * 10)
        var generator = Generator(state: 9)
        var first: [Double] = []
        var second: [Double] = []
        var rows = 0
        for _ in 0..<500 {
            let vehicle = VehicleID(
                index: UInt32.random(in: 0..<UInt32(vehicles), using: &generator)
            )
            for isSecond in [false, true] {
                let clock = ContinuousClock.now
                rows = try await reads.readings(
                    of: vehicle,
                    path: Packet.signals[4].path,
                    companion: nil,
                    from: end - .days(Int64(30)),
                    to: end,
                    limit: .max / 2
                ).count
                let passed = Double((ContinuousClock.now - clock).components.attoseconds) / 1e12
                if isSecond { second.append(passed) } else { first.append(passed) }
            }
        }
        for (look, times) in [("first look", first), ("second look", second)] {
            Figure(
                name: "30 days of one signal, \(rows) readings, \(look)\(note)",
                value: times.sorted()[times.count / 2],
                unit: "µs"
            ).print()
        }
    }
}
