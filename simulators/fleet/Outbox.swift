/// What a vehicle has sent and the gateway has not confirmed: kept, and sent again.
///
/// MQTT's own acknowledgement comes from the broker's memory; only `vehicles/{vehicle}/committed`
/// says that a packet is on the gateway's disk.
struct Outbox {
    private struct Entry {
        var sequence: UInt64
        var members: String
    }

    private var entries: [Entry] = []
    private var sentAt = ContinuousClock.now

    var count: Int { entries.count }

    /// Keeps a packet.
    /// - Returns: its payload as it is to be sent now.
    mutating func append(_ sequence: UInt64, _ members: String) -> String {
        if entries.isEmpty { sentAt = ContinuousClock.now }
        let entry = Entry(sequence: sequence, members: members)
        entries.append(entry)
        return payload(of: entry)
    }

    /// With the oldest number still held: what is missing below it never comes, and a gateway that
    /// lost it, as by a backup, need not wait for it.
    private func payload(of entry: Entry) -> String {
        "{\"v\":1,\"oldest\":\(entries[0].sequence),\(entry.members)}"
    }

    /// Forgets everything up to `sequence`.
    mutating func confirm(_ sequence: UInt64) {
        let before = entries.count
        entries.removeAll { $0.sequence <= sequence }
        if entries.count < before { sentAt = ContinuousClock.now }
    }

    /// What has waited too long for its confirmation, at most `limit` packets, oldest first.
    mutating func takeOverdue(after patience: Duration, limit: Int) -> [String] {
        guard !entries.isEmpty, ContinuousClock.now - sentAt > patience else { return [] }
        sentAt = ContinuousClock.now
        return entries.prefix(limit).map(payload(of:))
    }
}
