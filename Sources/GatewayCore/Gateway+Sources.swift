import Decoding
import Telemetry

/// Packets of the configured sources → what our own packets give.
extension Gateway {
    /// Takes a packet of other senders than our own: the first source of the topic that knows what
    /// to do with it, and the next one for what that leaves.
    mutating func takeForeign(
        _ first: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ packet: PacketBatch.Packet,
        of batch: PacketBatch
    ) throws(Rejection) {
        var next: Int? = first
        var isTaken = false
        var complaint: Rejection?
        var retained = 0
        defer { unit.counts.retainedValues += retained }
        while let source = next {
            if sourceDecoder.sources[source].shape == .native {
                return try takeNative(source, topic, payload, packet, of: batch)
            }
            let outcome = try sourceDecoder.decode(
                source,
                topic: topic,
                payload: payload,
                receivedAt: packet.receivedAt,
                isRetained: packet.isRetained,
                isContinued: isTaken
            )
            retained += sourceDecoder.retained
            switch outcome {
            case .taken: return takeMessages(topic, payload, packet, of: batch)
            case .takenInPart:
                isTaken = true
                takeMessages(topic, payload, packet, of: batch)
            case .ignored: break
            case .foreign(let reason): complaint = complaint ?? reason
            }
            next = sourceDecoder.source(of: topic, from: source + 1)
        }
        guard !isTaken else { return }
        // A document of another shape than every source expects is nothing that was left out.
        if let complaint { throw complaint }
        unit.counts.ignoredPackets += 1
        // What is mapped and refused for its unknown age is nothing to be mapped.
        guard retained == 0 else { return }
        ignored.note(topic, payload, source: sourceDecoder.sources[first].name, at: now)
    }

    private mutating func takeNative(
        _ source: Int,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ packet: PacketBatch.Packet,
        of batch: PacketBatch
    ) throws(Rejection) {
        let name = try sourceDecoder.vehicle(source, topic: topic)
        guard var variant = variants[source] else {
            return try takeTelemetry(payload, from: name.span, packet, of: batch)
        }
        swap(&decoder, &variant.decoder)
        defer {
            swap(&decoder, &variant.decoder)
            variants[source]?.decoder = variant.decoder
        }
        try takeTelemetry(payload, from: name.span, packet, of: batch, variant.conversions)
    }

    /// Takes what a source made of a packet.
    private mutating func takeMessages(
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        _ packet: PacketBatch.Packet,
        of batch: PacketBatch
    ) {
        var rejections: [Rejection] = []
        for message in sourceDecoder.messages {
            rejections += message.rejections
            // A message that does not tell its vehicle is rejected without one.
            guard !message.vehicle.isEmpty else { continue }
            let vehicle: VehicleID
            do throws(Rejection) {
                vehicle = try self.vehicle(named: message.vehicle.span)
            } catch {
                rejections.append(error)
                continue
            }
            hear(vehicle)
            if !message.readings.isEmpty {
                accept(
                    message.readings,
                    from: vehicle,
                    packet.receivedAt,
                    isRepeat: packet.isRedelivered
                )
            }
            if message.absent > 0 {
                unit.counts.noReading += message.absent
                accountAbsent(message.absent, of: vehicle)
            }
            if !message.rejections.isEmpty { account(message.rejections, of: vehicle) }
        }
        if sourceDecoder.timesByArrival { remember(packet, topic, payload) }
        if !rejections.isEmpty { reject(rejections, packet, of: batch) }
    }

    /// Keeps what tells a message from its repeat, where its values have no time of their own.
    private mutating func remember(
        _ packet: PacketBatch.Packet,
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>
    ) {
        guard packet.identifier != 0, !packet.isRedelivered else { return }
        let delivery = Delivery(
            identifier: packet.identifier,
            hash: Gateway.hash(topic, payload),
            receivedAt: packet.receivedAt
        )
        deliveries.note(delivery)
        unit.deliveries.append(delivery)
    }
}
