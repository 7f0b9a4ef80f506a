package import Telemetry

/// Packets of the configured sources → messages: readings and rejections of a vehicle.
///
/// A packet of which the source maps nothing is not rejected: senders publish much that no workshop
/// needs. What is mapped and cannot be used is rejected, and costs only itself.
package struct SourceDecoder: Sendable {
    package enum Outcome: Sendable, Equatable {
        /// The messages are the packet's.
        case taken
        /// The messages are some of the packet's, and the others are another source's.
        case takenInPart
        /// The source maps nothing of it, or the broker kept it and it has no time.
        case ignored
        /// The packet is another source's, by its conditions or, as the rejection says, its shape.
        case foreign(Rejection?)
    }

    /// What one vehicle says in a packet.
    package struct Message: Sendable {
        /// Empty where the packet does not tell it.
        package var vehicle: [UInt8] = []
        package var readings: [DecodedReading] = []
        package var rejections: [Rejection] = []
        /// Mapped values of which the sender says that there are none.
        package var absent = 0

        var isEmpty: Bool { readings.isEmpty && rejections.isEmpty && absent == 0 }
    }

    /// How a packet came in.
    struct Arrival {
        var at: Timestamp
        var isRetained: Bool
    }

    package let sources: [Source]
    /// Of the last packet.
    package internal(set) var messages: [Message] = []
    /// Mapped values of the last packet that tell no time, and that the broker had kept.
    package internal(set) var retained = 0
    /// Whether a time of the last packet follows from its arrival.
    package internal(set) var timesByArrival = false
    let catalogue: Catalogue
    let fields: [SourceFields]
    var message = Message()
    /// Where the elements begin that a source before this one took from the same packet.
    var takenElements: Set<Int> = []
    /// What stands around a batch and holds for all its elements, by pointer.
    var envelope: [String: JSONWalk.Value] = [:]
    private var valueCount = 0
    private let openings: [UInt8?]
    private var possible = PossibleTimes()

    package init(sources: [Source], catalogue: Catalogue) {
        // A topic with a word of its own says more than one that begins with any level.
        self.sources = sources.filter { !$0.topic.beginsOpen } + sources.filter(\.topic.beginsOpen)
        self.catalogue = catalogue
        fields = self.sources.map(SourceFields.init)
        openings = self.sources.map(\.topic.opening)
    }

    /// The next source whose topic matches, in the order of the files, from a place on.
    package func source(of topic: Span<UInt8>, from first: Int = 0) -> Int? {
        for place in first..<openings.count {
            // A look at the first byte spares the walk for nearly every other topic.
            if let opening = openings[place], topic.byte(at: 0) != opening { continue }
            if sources[place].topic.captures(in: topic) != nil { return place }
        }
        return nil
    }

    /// The vehicle that a topic names, for sources whose payload is our own.
    package func vehicle(_ source: Int, topic: Span<UInt8>) throws(Rejection) -> [UInt8] {
        try name(source, topic, body: nil, at: 0)
    }

    /// Decodes a packet into `messages`; `isContinued` says that a source before this one took
    /// some of it.
    /// - Throws: the rejection that costs the whole packet; there are no messages then.
    package mutating func decode(
        _ source: Int,
        topic: Span<UInt8>,
        payload: Span<UInt8>,
        receivedAt: Timestamp,
        isRetained: Bool,
        isContinued: Bool = false
    ) throws(Rejection) -> Outcome {
        begin(isContinued: isContinued)
        guard payload.count <= Limits.payloadBytesMax else {
            throw Rejection(.payloadTooLarge, at: Limits.payloadBytesMax)
        }
        let arrival = Arrival(at: receivedAt, isRetained: isRetained)
        do throws(Rejection) {
            return switch sources[source].shape {
            case .scalar: try scalar(source, topic, payload, arrival)
            case .object: try object(source, topic, payload, arrival)
            case .senml: try senml(source, topic, payload, arrival)
            case .native: .ignored
            }
        } catch {
            messages.removeAll(keepingCapacity: true)
            throw error
        }
    }

    private mutating func begin(isContinued: Bool) {
        messages.removeAll(keepingCapacity: true)
        message = Message()
        timesByArrival = false
        retained = 0
        envelope.removeAll(keepingCapacity: true)
        guard !isContinued else { return }
        takenElements.removeAll(keepingCapacity: true)
        valueCount = 0
    }

    /// Ends the message that was begun, if it says anything.
    mutating func endMessage() {
        if !message.isEmpty { messages.append(message) }
        message = Message()
    }

    // MARK: Values

    /// Takes a value of the message that was begun.
    /// - Throws: `tooManyReadings`, which costs the packet.
    mutating func append(
        _ value: SentValue,
        _ mapping: Source.Mapping,
        _ target: Source.Target,
        observedAt: Timestamp,
        _ arrival: Arrival,
        at offset: Int
    ) throws(Rejection) {
        try requireRoom(at: offset)
        let path = catalogue[target.signal].path
        let number: Double
        switch value {
        case .absent:
            message.absent += 1
            return
        case .unusable: return message.rejections.append(Rejection(.wrongType, at: offset, path))
        case .truth(let isTrue):
            // Of a voltage, true would be 1 V.
            guard catalogue[target.signal].datatype == .boolean else {
                return message.rejections.append(Rejection(.wrongType, at: offset, path))
            }
            number = isTrue ? 1 : 0
        case .number(let sent): number = sent * mapping.scale.factor + mapping.scale.offset
        }
        guard number.isFinite else {
            return message.rejections.append(Rejection(.wrongType, at: offset, path))
        }
        let converted = number * target.conversion.factor + target.conversion.offset
        guard let quality = catalogue.quality(of: converted, signal: target.signal) else {
            return message.rejections.append(Rejection(.outOfRange, at: offset, path))
        }
        possible.begin(receivedAt: arrival.at)
        guard possible.contains(observedAt) else {
            return message.rejections.append(possible.rejection(of: observedAt, at: offset))
        }
        message.readings.append(
            DecodedReading(
                observedAt: observedAt,
                value: converted,
                signal: target.signal,
                quality: quality
            )
        )
    }

    /// Notes that a value cannot be used; the reason that many values share stands there once.
    mutating func reject(_ rejection: Rejection) throws(Rejection) {
        try requireRoom(at: rejection.byteOffset)
        if message.rejections.last != rejection { message.rejections.append(rejection) }
    }

    private mutating func requireRoom(at offset: Int) throws(Rejection) {
        guard valueCount < Limits.readingsPerPacketMax else {
            throw Rejection(.tooManyReadings, at: offset)
        }
        valueCount += 1
    }

    // MARK: Vehicles

    /// The vehicle of a message; `body` is the name that stands in the body, where it is to be
    /// found there.
    func name(
        _ source: Int,
        _ topic: Span<UInt8>,
        body: String?,
        at offset: Int
    ) throws(Rejection) -> [UInt8] {
        var name = text(of: sources[source].naming, source, topic) ?? Array((body ?? "").utf8)
        if !sources[source].renames.isEmpty,
            let renamed = sources[source].renames[String(decoding: name, as: UTF8.self)]
        {
            name = Array(renamed.utf8)
        }
        guard VehicleName.isValid(name.span, name.indices) else {
            throw Rejection(.badVehicle, at: offset)
        }
        return name
    }

    /// What a topic says, or nil where a name stands elsewhere.
    func text(
        of naming: Source.Naming,
        _ source: Int,
        _ topic: Span<UInt8>
    ) -> [UInt8]? {
        guard case .topic(let pieces) = naming else { return nil }
        let captures = sources[source].topic.captures(in: topic) ?? []
        var text: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .text(let words): text.append(contentsOf: words.utf8)
            case .capture(let place):
                for index in captures[place] { text.append(topic[index]) }
            }
        }
        return text
    }

    /// Where the sensor of a message is mounted.
    func mounting(
        _ source: Int,
        of sensor: String,
        at offset: Int
    ) throws(Rejection) -> Source.Mounting {
        guard let mounting = sources[source].mountings[sensor.lowercased()] else {
            throw Rejection(.unknownSensor, at: offset, sensor)
        }
        return mounting
    }
}
