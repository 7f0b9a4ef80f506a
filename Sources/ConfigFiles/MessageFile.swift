import Customers
import Foundation
package import Messages

/// `messages/*.yaml` → texts for customers, checked for their placeholders and their languages.
package enum MessageFile {
    private static let required = ["others", "offer", "visits", "due"]

    /// Reads every file of a folder.
    /// - Throws: `ConfigError` with file and line.
    package static func load(folder: String) throws -> MessageBook {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let files = names.filter { $0.hasSuffix(".yaml") }.sorted()
        var templates: [String: [CustomerLanguage: MessageTemplate]] = [:]
        var alerts: [String: MessageBook.AlertTexts] = [:]
        var uses: [String: YAMLValue] = [:]
        var script: [ScriptStep] = []
        for file in files {
            let root = try YAMLValue.load("\(folder)/\(file)").mapping(keys: [
                "templates", "uses", "script",
            ])
            for (key, value) in try root[optional: "templates"]?.entries(keys: nil) ?? [] {
                guard templates[key] == nil else {
                    throw value.failure("the template '\(key)' is given twice")
                }
                templates[key] = try texts(value)
            }
            script += try root[optional: "script"]?.list().map(step) ?? []
            guard
                let map = try root[optional: "uses"]?.mapping(keys: [
                    "alerts", "others", "offer", "visits", "due",
                ])
            else { continue }
            for (rule, value) in try map[optional: "alerts"]?.entries(keys: nil) ?? [] {
                alerts[rule] = try alertTexts(value)
            }
            for key in required { uses[key] = map[optional: key] ?? uses[key] }
        }
        func failure(_ message: String) -> ConfigError {
            ConfigError(file: folder, line: 0, column: 0, message: message)
        }
        guard let others = uses["others"], let offer = uses["offer"],
            let visits = uses["visits"], let due = uses["due"]
        else {
            throw failure("no file says under 'uses' all of: \(required.joined(separator: ", "))")
        }
        let book = MessageBook(
            templates: templates,
            alerts: alerts,
            others: try alertTexts(others),
            offer: try offer.string(),
            visits: try choices(VisitNotice.allCases, visits),
            due: try choices(DueKind.allCases.filter { $0 != .service }, due),
            script: script
        )
        for key in book.used.sorted() where templates[key] == nil {
            throw failure("there is no template '\(key)'")
        }
        return book
    }

    /// A template for each of `keys`, none left out.
    private static func choices<Key: RawRepresentable & Hashable>(
        _ keys: [Key],
        _ value: YAMLValue
    ) throws -> [Key: String] where Key.RawValue == String {
        let map = try value.mapping(keys: keys.map(\.rawValue))
        return Dictionary(
            uniqueKeysWithValues: try keys.map { ($0, try map.require($0.rawValue).string()) }
        )
    }

    private static func alertTexts(_ value: YAMLValue) throws -> MessageBook.AlertTexts {
        let map = try value.mapping(keys: ["near", "crossed", "fast"])
        return MessageBook.AlertTexts(
            near: try map.require("near").string(),
            crossed: try map.require("crossed").string(),
            fast: try map[optional: "fast"]?.string()
        )
    }

    private static func step(_ value: YAMLValue) throws -> ScriptStep {
        let map = try value.mapping(keys: ["step"] + CustomerLanguage.allCases.map(\.rawValue))
        return ScriptStep(name: try map.require("step").string(), texts: try texts(map))
    }

    private static func texts(_ value: YAMLValue) throws -> [CustomerLanguage: MessageTemplate] {
        try texts(value.mapping(keys: CustomerLanguage.allCases.map(\.rawValue)))
    }

    private static func texts(
        _ map: YAMLMapping
    ) throws -> [CustomerLanguage: MessageTemplate] {
        var texts: [CustomerLanguage: MessageTemplate] = [:]
        for language in CustomerLanguage.allCases {
            let value = try map.require(language.rawValue)
            let text = try value.string()
            do throws(MessageTemplate.UnknownPlaceholder) {
                texts[language] = try MessageTemplate(text)
            } catch {
                let known = Placeholder.allCases.map(\.rawValue).joined(separator: ", ")
                throw value.failure("\(error.word) is no placeholder; there are: \(known)")
            }
        }
        return texts
    }
}
