import ArgumentParser
import Rules
import Telemetry

/// One step of the rules for a reading of a vehicle chosen at random.
struct RulesBench: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rules")

    @OptionGroup var settings: ConfigOption

    @Option(help: "Vehicles, in random order.")
    var vehicles = 100_000

    @Option(help: "Packets of each.")
    var rounds = 6

    func run() throws {
        let assembly = try settings.assembly()
        let engine = RuleEngine(rules: assembly.rules, catalogue: assembly.catalogue)
        let signals = Packet.signals.map { assembly.catalogue.find(path: $0.path) }
        var generator = Generator()
        var states = [VehicleState](repeating: VehicleState(), count: vehicles)
        let before = residentBytes()
        var events = 0
        var nanoseconds: [Double] = []
        var packet: [Reading] = []
        for round in 0..<rounds {
            let order = (0..<vehicles).shuffled(using: &generator)
            let time = Timestamp(milliseconds: 1_772_323_200_000) + .hours(Int64(round * 9))
            // In the order in which they are used: the core has just decoded them.
            let values = order.flatMap { vehicle in
                (0..<8).map { Packet.steady($0, of: vehicle, &generator) }
            }
            let begun = processorSeconds()
            for (place, vehicle) in order.enumerated() {
                // As the core does before it flushes them.
                if place % 8 == 0 {
                    let next = order[place..<min(place + 8, vehicles)]
                    for vehicle in next { _ = states[vehicle].touchFirst() }
                    for vehicle in next { _ = states[vehicle].touch() }
                }
                packet.removeAll(keepingCapacity: true)
                for (index, signal) in signals.enumerated() {
                    guard let signal else { continue }
                    packet.append(
                        Reading(
                            vehicle: VehicleID(index: UInt32(vehicle)),
                            signal: signal,
                            observedAt: time,
                            receivedAt: time,
                            value: values[place * 8 + index],
                            quality: .good
                        )
                    )
                }
                _ = engine.hold(packet.span, now: time, &states[vehicle])
                events += engine.flush(now: time + .minutes(2), &states[vehicle]).count
            }
            nanoseconds.append((processorSeconds() - begun) / Double(vehicles * 8) * 1e9)
        }
        Figure(
            name: "rule step with hold and sort, \(vehicles) vehicles in random order",
            value: nanoseconds.sorted()[rounds / 2],
            unit: "ns/reading"
        ).print()
        Figure(
            name: "rules' memory, \(vehicles) vehicles",
            value: Double(residentBytes() - before) / Double(vehicles * 8),
            unit: "B/signal"
        ).print()
    }
}
