import Decoding
package import Rules
package import Telemetry

/// What cannot be judged, for engineers: noticed, kept, and over when it is.
extension Gateway {
    /// Notes that something of a vehicle cannot be judged, unless that is known.
    mutating func open(
        _ kind: TroubleKind,
        _ vehicle: VehicleID,
        component: String = "",
        since: Timestamp? = nil,
        _ text: String
    ) {
        let known = troubles[vehicle] ?? []
        guard !known.contains(where: { $0.kind == kind && $0.component == component }),
            known.count < Limits.troublesPerVehicleMax
        else { return }
        let trouble = Trouble(
            vehicle: vehicle,
            component: component,
            kind: kind,
            since: since ?? now,
            until: nil,
            text: text
        )
        troubles[vehicle, default: []].append(trouble)
        troubleCounts[Int(kind.rawValue)] += 1
        unit.troubles.append(trouble)
        touch(vehicle)
    }

    /// Notes that it can be judged again.
    mutating func end(_ kind: TroubleKind, _ vehicle: VehicleID, component: String = "") {
        guard
            let place = troubles[vehicle]?.firstIndex(where: {
                $0.kind == kind && $0.component == component
            }), var trouble = troubles[vehicle]?.remove(at: place)
        else { return }
        if troubles[vehicle]?.isEmpty ?? false { troubles[vehicle] = nil }
        troubleCounts[Int(kind.rawValue)] -= 1
        trouble.until = now
        unit.troubles.append(trouble)
        touch(vehicle)
    }

    /// What the engine saw of a component.
    mutating func note(
        _ kind: TroubleKind,
        because why: Unused?,
        _ event: RuleEvent,
        _ vehicle: VehicleID
    ) {
        let rule = engine.rule(ofSlot: event.slot)
        let component = engine.component(ofSlot: event.slot)
        let title = component.title.en
        let text =
            switch kind {
            case .dataFault:
                "\(title): values changed as no component changes (another unit or scale, or a "
                    + "sensor that says nothing of it); not judged until they fit again, or an "
                    + "engineer accepts them."
            case .stuck: "\(title): the value stands still while its temperature moves."
            case .notJudged: "\(title): \(rule.title.en) can use no reading: \(reason(why))."
            case .silent, .missing, .clock, .allRejected, .noReading, .flapping: title
            }
        open(kind, vehicle, component: component.name, text)
    }

    private func reason(_ why: Unused?) -> String {
        switch why {
        case .gate: "the vehicle never does what the rule asks for"
        case .unusable: "values lie outside what the rule knows"
        case .contextMissing: "the outside temperature of that time is not told"
        case .ruledOut: "another signal rules them out"
        case .late: "they come too late"
        case nil: "they are not usable"
        }
    }

    /// Open ones of a vehicle.
    package func troubles(of vehicle: VehicleID) -> [Trouble] { troubles[vehicle] ?? [] }

    /// All open ones, by vehicle and beginning.
    package var allTroubles: [Trouble] {
        troubles.keys.sorted { $0.index < $1.index }.flatMap { troubles[$0] ?? [] }
    }

    /// How many are open, by kind.
    package var openTroubles: [TroubleKind: Int] {
        Dictionary(
            uniqueKeysWithValues: TroubleKind.allCases.map { ($0, troubleCounts[Int($0.rawValue)]) }
        )
    }

    /// An engineer accepts what a component tells: it is judged again, from now on.
    mutating func accept(
        _ vehicle: VehicleID,
        component name: String,
        by actor: Actor
    ) throws(Problem) -> Answer {
        guard [.engineer, .manager, .admin].contains(actor.role) else {
            throw Problem(.roleMissing)
        }
        let faults = (troubles[vehicle] ?? []).filter {
            $0.component == name && [.dataFault, .stuck, .notJudged].contains($0.kind)
        }
        guard !faults.isEmpty else { throw Problem(.notFound) }
        let index = Int(vehicle.index)
        for slot in engine.slots.indices where engine.component(ofSlot: slot).name == name {
            let accepted = engine.accept(slot: slot, &vehicles[index].rules)
            for slot in accepted {
                end(.dataFault, vehicle, component: engine.component(ofSlot: slot).name)
            }
        }
        for fault in faults { end(fault.kind, vehicle, component: name) }
        record(
            .vehicle,
            Int64(index),
            from: "not_judged",
            "accepted",
            to: "judged",
            by: actor,
            reason: name
        )
        touch(vehicle)
        return .vehicle(name: self.name(of: vehicle))
    }

    // MARK: The feed

    /// Notes what has become of readings; most are good, and cost a look.
    mutating func account(
        _ readings: [DecodedReading],
        of vehicle: VehicleID,
        _ receivedAt: Timestamp
    ) {
        let index = Int(vehicle.index)
        for reading in readings {
            let lag = receivedAt - reading.observedAt
            if reading.quality != .good {
                vehicles[index].account.noteNoReading(at: now)
            } else if lag > Limits.lateMilliseconds {
                vehicles[index].account.note(late: lag, at: now)
            } else {
                guard !vehicles[index].account.isEmpty else { continue }
                vehicles[index].account = FeedAccount()
                for kind in [TroubleKind.clock, .allRejected, .noReading] { end(kind, vehicle) }
            }
        }
        judgeFeed(of: vehicle)
    }

    /// Notes that readings of a vehicle were rejected.
    mutating func account(_ rejections: [Rejection], of vehicle: VehicleID) {
        let index = Int(vehicle.index)
        for rejection in rejections {
            vehicles[index].account.note(rejectedFor: rejection.reason, at: now)
        }
        judgeFeed(of: vehicle)
    }

    /// Notes that a vehicle's sender said of so many values that there are none.
    mutating func accountAbsent(_ count: Int, of vehicle: VehicleID) {
        for _ in 0..<count { vehicles[Int(vehicle.index)].account.noteNoReading(at: now) }
        judgeFeed(of: vehicle)
    }

    private mutating func judgeFeed(of vehicle: VehicleID) {
        let account = vehicles[Int(vehicle.index)].account
        guard !account.isEmpty, let verdict = account.verdict(at: now) else { return }
        open(verdict.kind, vehicle, verdict.text)
    }
}
