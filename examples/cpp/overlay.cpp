// As a viewer would: DCMTK opens and renders a radiograph, covmap analyses what is on the screen, and the overlay becomes a
// PNG file.
//
//   overlay CHEST.dcm OVERLAY.png
#include <cstdio>
#include <fstream>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmimgle/dcmimage.h>

#include <covmap.hpp>

namespace {

/// The picture as a viewer shows it: all grey transformations done, 16 bits, bright is dense.
covmap::Plane<std::uint16_t> rendered(DicomImage &image) {
    if (image.getStatus() != EIS_Normal || !image.isMonochrome()) {
        throw std::runtime_error(std::string("DCMTK: ") + DicomImage::getString(image.getStatus()));
    }
    if (!image.setWindow(0)) {
        image.setMinMaxWindow();
    }
    const void *pixels = image.getOutputData(16);
    if (!pixels) {
        throw std::runtime_error("DCMTK cannot render the image");
    }
    return {static_cast<const std::uint16_t *>(pixels), image.getWidth(), image.getHeight()};
}

void write(const char *path, const covmap::Bytes &bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.text().data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) {
        throw std::runtime_error(std::string("cannot write ") + path);
    }
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s CHEST.dcm OVERLAY.png\n", argv[0]);
        return 2;
    }
    try {
        DicomImage image(argv[1]);
        const covmap::Pipeline pipeline; // a viewer keeps it
        const covmap::Analysis analysis = pipeline.analyze(rendered(image));
        write(argv[2], analysis.encode("overlay.png"));
        std::printf("%zu x %zu\n", analysis.width(), analysis.height());
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "overlay: %s\n", error.what());
        return 1;
    }
}
