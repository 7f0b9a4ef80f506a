// swift-tools-version: 6.2
import PackageDescription

/// Settings of the test targets; `#expect` trips strict memory safety.
let testSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

/// Settings of every other target.
let houseSettings =
    testSettings + [
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .enableUpcomingFeature("InferIsolatedConformances"),
        .strictMemorySafety(),
    ]

/// A target of the pure ring: the standard library and inner rooms only.
func pure(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: houseSettings)
}

/// A target of the I/O ring.
func room(
    _ name: String,
    _ dependencies: [Target.Dependency],
    resources: [Resource]? = nil
) -> Target {
    .target(
        name: name,
        dependencies: dependencies,
        resources: resources,
        swiftSettings: houseSettings
    )
}

/// A target of tests; `exclude` names files beside them that tests read from the checkout.
func test(
    _ name: String,
    _ dependencies: [Target.Dependency],
    exclude: [String] = []
) -> Target {
    .testTarget(
        name: name,
        dependencies: dependencies,
        exclude: exclude,
        swiftSettings: testSettings
    )
}

let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(
    name: "ServiceLifecycle",
    package: "swift-service-lifecycle"
)
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let configuration = Target.Dependency.product(
    name: "Configuration",
    package: "swift-configuration"
)
let arguments = Target.Dependency.product(
    name: "ArgumentParser",
    package: "swift-argument-parser"
)

/// What our dependencies need in turn: its place, the tested version, and a product of it.
///
/// SwiftPM pins only packages that a manifest names, and a target must use each of them: ours does
/// on a platform for which nothing is built, so that this costs no build and adds no code.
let inner: [(url: String, version: Version, product: String)] = [
    ("https://github.com/swift-server/async-http-client.git", "1.37.0", "AsyncHTTPClient"),
    ("https://github.com/apple/swift-algorithms.git", "1.2.1", "Algorithms"),
    ("https://github.com/apple/swift-asn1.git", "1.7.4", "SwiftASN1"),
    ("https://github.com/apple/swift-async-algorithms.git", "1.1.4", "AsyncAlgorithms"),
    ("https://github.com/apple/swift-atomics.git", "1.3.0", "Atomics"),
    ("https://github.com/apple/swift-certificates.git", "1.21.1", "X509"),
    ("https://github.com/apple/swift-collections", "1.6.0", "DequeModule"),
    ("https://github.com/apple/swift-distributed-tracing.git", "1.7.3", "Tracing"),
    (
        "https://github.com/apple/swift-http-structured-headers.git", "1.7.0",
        "StructuredFieldValues"
    ),
    ("https://github.com/apple/swift-metrics.git", "2.13.0", "Metrics"),
    ("https://github.com/apple/swift-nio.git", "2.101.2", "NIOCore"),
    ("https://github.com/apple/swift-nio-extras.git", "1.35.2", "NIOExtras"),
    ("https://github.com/apple/swift-nio-http2.git", "1.46.0", "NIOHTTP2"),
    ("https://github.com/apple/swift-nio-ssl.git", "2.37.6", "NIOSSL"),
    ("https://github.com/apple/swift-nio-transport-services.git", "1.28.0", "NIOTransportServices"),
    ("https://github.com/apple/swift-numerics.git", "1.1.1", "RealModule"),
    ("https://github.com/apple/swift-service-context.git", "1.5.1", "ServiceContextModule"),
    ("https://github.com/apple/swift-system", "1.8.1", "SystemPackage"),
]

/// The name by which SwiftPM knows a package: the last part of its place.
func identity(_ url: String) -> String {
    let last = url.split(separator: "/").last.map(String.init) ?? url
    return last.hasSuffix(".git") ? String(last.dropLast(4)) : last
}

let pins = inner.map {
    Target.Dependency.product(
        name: $0.product,
        package: identity($0.url),
        condition: .when(platforms: [.wasi])
    )
}

let package = Package(
    name: "gateway",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "gateway", targets: ["gateway"]),
        .executable(name: "fleet-simulator", targets: ["fleet-simulator"]),
        .executable(name: "dealer-simulator", targets: ["dealer-simulator"]),
    ],
    // Exactly the versions that were tested, so that a later clone builds the same. To move one,
    // write the newer version here, run `swift package update`, bring `inner` up to date with
    // Package.resolved, and run `Tests/run`.
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird",
            exact: "2.28.1",
            traits: []
        ),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", exact: "2.1.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ] + inner.map { .package(url: $0.url, exact: $0.version) },
    targets: [
        // The pure ring.
        pure("Telemetry"),
        pure("Decoding", ["Telemetry"]),
        pure("Rules", ["Telemetry"]),
        pure("Customers", ["Telemetry"]),
        pure("Workshop", ["Customers", "Telemetry"]),
        pure("Messages", ["Customers", "Telemetry"]),
        pure("GatewayCore", ["Telemetry", "Decoding", "Rules", "Workshop"]),

        // The I/O ring.
        .systemLibrary(
            name: "CMosquitto",
            pkgConfig: "libmosquitto",
            providers: [.apt(["libmosquitto-dev"])]
        ),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CClock"),
        room("Threads", []),
        room("Access", [crypto, cryptoExtras]),
        room("Recording", ["CZlib", "GatewayCore", "Telemetry"]),
        room("MQTTSource", ["CMosquitto", "GatewayCore", "Telemetry", "Threads", logging]),
        room(
            "Store",
            [
                crypto, grdb, "Access", "Customers", "Decoding", "GatewayCore", "Messages", "Rules",
                "Telemetry", "Workshop",
            ]
        ),
        room(
            "CoreLoop",
            ["GatewayCore", "Telemetry", "Rules", "Workshop", "Store", "Threads", logging]
        ),
        room(
            "ConfigFiles",
            [
                yams, configuration, "Customers", "Messages", "Telemetry", "Decoding", "Rules",
                "Workshop",
                "GatewayCore",
            ]
        ),
        room(
            "AdvisorWeb",
            [
                crypto, hummingbird, hummingbirdCore, httpTypes, lifecycle, mustache, logging,
                "Access", "CoreLoop", "Customers", "Decoding", "GatewayCore", "Messages", "Store",
                "Telemetry", "Threads", "Rules", "Workshop",
            ],
            resources: [.embedInCode("Assets")]
        ),
        room(
            "GatewayApp",
            [
                crypto, lifecycle, signals, logging, hummingbird, "Access", "AdvisorWeb", "CClock",
                "ConfigFiles", "CoreLoop", "Customers", "Decoding", "GatewayCore", "MQTTSource",
                "Messages",
                "Recording",
                "Rules", "Store", "Telemetry", "Threads",
                "Workshop",
            ] + pins
        ),
        .executableTarget(
            name: "gateway",
            dependencies: [arguments, "Access", "GatewayApp", "Telemetry"],
            swiftSettings: houseSettings
        ),
        .target(
            name: "SimulatorParts",
            path: "simulators/parts",
            swiftSettings: houseSettings
        ),
        .executableTarget(
            name: "fleet-simulator",
            dependencies: [
                arguments, logging, "MQTTSource", "SimulatorParts", "Telemetry", "Threads",
            ],
            path: "simulators/fleet",
            swiftSettings: houseSettings
        ),
        .executableTarget(
            name: "dealer-simulator",
            dependencies: [
                arguments, "ConfigFiles", "Decoding", "MQTTSource", "SimulatorParts", "Telemetry",
            ],
            path: "simulators/dealer",
            swiftSettings: houseSettings
        ),

        // Tests: the pure ring by values, the rest against the real thing.
        .target(
            name: "Support",
            dependencies: [
                "ConfigFiles", "Customers", "GatewayApp", "GatewayCore", "Rules", "SimulatorParts",
                "Telemetry", "Workshop",
            ],
            path: "Tests/Support",
            swiftSettings: testSettings
        ),
        .executableTarget(
            name: "gateway-bench",
            dependencies: [
                arguments, "Decoding", "GatewayApp", "GatewayCore", "Rules", "Store", "Telemetry",
                "Workshop",
            ],
            path: "Tests/Benchmarks/gateway-bench",
            swiftSettings: testSettings
        ),
        test("TelemetryTests", ["Telemetry"]),
        test("AccessTests", ["Access"]),
        test("CustomersTests", ["Customers", "Telemetry"]),
        test(
            "MessagesTests",
            ["ConfigFiles", "Customers", "GatewayApp", "Messages", "Support", "Telemetry"]
        ),
        test("DecodingTests", ["Decoding", "Support", "Telemetry"]),
        test("RulesTests", ["Rules", "Support", "Telemetry"]),
        test("WorkshopTests", ["ConfigFiles", "Customers", "Support", "Telemetry", "Workshop"]),
        test(
            "GatewayCoreTests",
            [
                "Customers", "Decoding", "GatewayApp", "GatewayCore", "Rules", "Support",
                "Telemetry", "Workshop",
            ]
        ),
        test(
            "ConfigFilesTests",
            [
                yams, "ConfigFiles", "Decoding", "GatewayApp", "GatewayCore", "MQTTSource", "Rules",
                "Support", "Telemetry", "Workshop",
            ]
        ),
        test(
            "StoreTests",
            [
                grdb, "Access", "Customers", "GatewayApp", "GatewayCore", "Messages", "Rules",
                "Store",
                "Support",
                "Telemetry",
                "Workshop",
            ]
        ),
        test(
            "CoreLoopTests",
            [grdb, logging, "CoreLoop", "GatewayCore", "Store", "Support", "Telemetry", "Threads"]
        ),
        test(
            "MQTTSourceTests",
            [logging, "GatewayCore", "MQTTSource", "Support", "Telemetry", "Threads"]
        ),
        test("ReplayTests", ["GatewayApp", "Support", "Telemetry"], exclude: ["Goldens"]),
        test(
            "AdvisorWebTests",
            [
                logging, yams, "AdvisorWeb", "CoreLoop", "GatewayApp", "Store", "Support",
                "Telemetry",
            ]
        ),
        test("IntegrationTests", [grdb, yams, crypto, hummingbird, "Store", "Support"]),
        test("SimulatorTests", ["SimulatorParts", "Telemetry", "dealer-simulator"]),
        test("TidyTests", ["Support"]),
    ]
)
