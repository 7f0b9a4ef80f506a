/// Who asks, what they may do, and for which stations.
package struct Caller: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// Nobody known.
        case nobody
        /// Whoever sits at this machine, while no user has been created.
        case local
        case user(Int64)
        case token(Int64)
    }

    package let kind: Kind
    /// As pages show it and the history keeps it.
    package let name: String
    package let role: Role?
    package let capabilities: Set<Capability>
    /// Codes of stations; nil for all.
    package let stations: Set<String>?

    package init(
        _ kind: Kind,
        name: String,
        role: Role? = nil,
        capabilities: Set<Capability>,
        stations: Set<String>? = nil
    ) {
        self.kind = kind
        self.name = name
        self.role = role
        self.capabilities = capabilities
        self.stations = stations
    }

    package static let nobody = Caller(.nobody, name: "", capabilities: [])

    /// Everything but privacy, which takes two people who are told apart.
    package static let local = Caller(
        .local,
        name: "advisor",
        role: .advisor,
        capabilities: Set(Capability.allCases).subtracting([.requestErasure, .privacy])
    )

    package func can(_ capability: Capability) -> Bool { capabilities.contains(capability) }

    /// Whether records of a station are there for the caller; what is not is "not found".
    package func sees(station code: String) -> Bool { stations?.contains(code) ?? true }

    /// Tells callers apart, whatever their names.
    package var key: String {
        switch kind {
        case .nobody: "nobody"
        case .local: "local"
        case .user(let id): "user \(id)"
        case .token(let id): "token \(id)"
        }
    }
}
