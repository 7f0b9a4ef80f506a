import ConfigFiles
import Decoding
import GatewayCore
import Telemetry

/// Sources tried without a broker: what would become of a message.
package enum SourceTrial {
    /// What a message becomes: one line per reading and rejection, or one that says it is ignored,
    /// and, when there is no reading, what to do next; and whether there is any reading.
    package static func outcome(
        of topic: String,
        payload: [UInt8],
        assembly: Assembly
    ) -> (lines: [String], hasReadings: Bool) {
        let unit = step(topic, payload, assembly)
        var lines = unit.readings.map { reading in
            let definition = assembly.catalogue[reading.signal]
            let quality = reading.quality == .good ? "" : "   (no reading)"
            return "\(name(of: reading, unit))   \(definition.path)   "
                + "\(reading.value) \(definition.unit)   at \(reading.observedAt)\(quality)"
        }
        lines += unit.deadLetters.flatMap(\.rejections).map {
            "rejected: \($0.reason.rawValue) at byte \($0.byteOffset)"
                + ($0.detail.isEmpty ? "" : " (\($0.detail))")
        }
        if unit.counts.noReading > unit.readings.count {
            lines.append("no reading: \(absent(unit))")
        }
        if unit.readings.isEmpty, let letter = unit.deadLetters.first {
            lines.append("Next: \(letter.rejection.reason.remedy)")
        }
        if lines.isEmpty { lines = ignored(topic, payload, assembly) }
        return (lines, !unit.readings.isEmpty)
    }

    private static func absent(_ unit: CommitUnit) -> String {
        "the sender says of \(unit.counts.noReading) values that there are none"
    }

    private static func ignored(
        _ topic: String,
        _ payload: [UInt8],
        _ assembly: Assembly
    ) -> [String] {
        let bytes = Array(topic.utf8)
        var decoder = SourceDecoder(sources: assembly.sources, catalogue: assembly.catalogue)
        guard var place = decoder.source(of: bytes.span) else {
            return ["ignored: its topic is no source's; see `gateway sources list`"]
        }
        var lines: [String] = []
        while true {
            let name = decoder.sources[place].name
            let outcome = try? decoder.decode(
                place,
                topic: bytes.span,
                payload: payload.span,
                receivedAt: WallClock.now(),
                isRetained: false
            )
            lines.append(
                outcome == .foreign(nil)
                    ? "ignored: the 'where' of '\(name)' does not hold"
                    : "ignored: '\(name)' maps nothing of it"
            )
            guard let next = decoder.source(of: bytes.span, from: place + 1) else { break }
            place = next
        }
        let next = "Next: map its values in a source, or write one with `gateway sources draft`."
        return lines + [next]
    }

    private static func name(of reading: Reading, _ unit: CommitUnit) -> String {
        unit.vehicles.first { $0.id == reading.vehicle }?.name ?? ""
    }

    /// One line per source in force.
    package static func list(_ assembly: Assembly) -> [String] {
        assembly.sources.map { source in
            let signals = source.mappings.map(\.targets.count).reduce(0, +)
            let filters = source.filters.joined(separator: " ")
            return "\(source.name)   \(filters)   \(source.shape)   "
                + "\(signals) signals"
        }
    }

    /// Runs the examples of all sources.
    /// - Returns: how many there are, and a line for each that does not give what it says.
    package static func test(_ assembly: Assembly) -> (examples: Int, complaints: [String]) {
        let complaints = assembly.sourceExamples.compactMap { example in
            complaint(about: example, assembly: assembly).map {
                "\(example.file):\(example.line): \(example.topic) \($0)"
            }
        }
        return (assembly.sourceExamples.count, complaints)
    }

    private static func complaint(about example: SourceExample, assembly: Assembly) -> String? {
        let unit = step(example.topic, Array(example.payload.utf8), assembly)
        let rejected = unit.deadLetters.flatMap(\.rejections)
        guard rejected.map(\.reason.rawValue) == example.rejects else {
            let reasons = rejected.map { "\($0.reason.rawValue) \($0.detail)" }
            return reasons.isEmpty
                ? "is not rejected for \(example.rejects)"
                : "is rejected: \(reasons.joined(separator: ", "))"
        }
        let given = unit.readings.map {
            Given(name(of: $0, unit), assembly.catalogue[$0.signal].path, $0.value, $0.observedAt)
        }
        let wanted = example.gives.map {
            Given($0.vehicle, assembly.catalogue[$0.signal].path, $0.value, $0.at)
        }
        let isSame =
            given.count == wanted.count && zip(given, wanted).allSatisfy { $0.is($1) }
        return isSame ? nil : "gives \(given), not \(wanted)"
    }

    /// A reading as an example tells it.
    private struct Given: CustomStringConvertible {
        var vehicle: String
        var path: String
        var value: Double
        var at: Timestamp?

        init(_ vehicle: String, _ path: String, _ value: Double, _ at: Timestamp?) {
            self.vehicle = vehicle
            self.path = path
            self.value = value
            self.at = at
        }

        /// Whether it is the one wanted; a time that is not given may be any.
        func `is`(_ wanted: Given) -> Bool {
            vehicle == wanted.vehicle && path == wanted.path
                && abs(value - wanted.value) <= 1e-4 * max(1, abs(wanted.value))
                && (wanted.at == nil || at == wanted.at)
        }

        var description: String {
            "\(vehicle) \(path) \(value)" + (at.map { " at \($0)" } ?? "")
        }
    }

    private static func step(
        _ topic: String,
        _ payload: [UInt8],
        _ assembly: Assembly
    ) -> CommitUnit {
        let now = WallClock.now()
        var gateway = assembly.makeGateway()
        var batch = PacketBatch()
        batch.append(topic: topic.utf8, payload: payload, receivedAt: now)
        return gateway.step(.packets(batch), now: now)
    }
}
