package import Foundation

/// Where things are, seen from a test.
package enum Repository {
    /// The top of the working tree.
    package static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The provided material beside the repository, when it is there.
    package static func shared(_ path: String) -> URL? {
        let url = root.deletingLastPathComponent().appendingPathComponent("shared/\(path)")
        return FileManager.default.fileExists(atPath: url.path) ? url : nil
    }

    /// The lines of a gzip file of the provided material.
    package static func lines(of url: URL) throws -> [Data] {
        let unzip = Process()
        unzip.executableURL = URL(fileURLWithPath: "/bin/gzip")
        unzip.arguments = ["-dc", url.path]
        let pipe = Pipe()
        unzip.standardOutput = pipe
        try unzip.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        return data.split(separator: UInt8(ascii: "\n"))
    }

    /// A product of this build, beside the test bundle.
    package static func product(_ name: String) -> URL {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent(name)
    }

    package static let config = root.appendingPathComponent("config/gateway.yaml").path
}

/// A folder of a test's own, gone with it.
package final class ScratchFolder: Sendable {
    package let url: URL

    package init() throws {
        url = FileManager.default.temporaryDirectory
            .appendingPathComponent("gateway-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    package func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    /// The shipped configuration as files a test may change.
    package func copyConfiguration() throws -> String {
        let folder = Repository.root.appendingPathComponent("config")
        try FileManager.default.copyItem(at: folder, to: url.appendingPathComponent("config"))
        return path("config/gateway.yaml")
    }

    package func write(_ name: String, _ text: String) throws -> String {
        let path = path(name)
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path,
            withIntermediateDirectories: true
        )
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }
}
