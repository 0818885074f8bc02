"""The second reader: GDCM through SimpleITK, in a process of its own, because GDCM can abort the interpreter.

Run as a script by :class:`chorus_nb.verify.second_opinion.SecondReader`; imports nothing of the package. A line with a
path comes in; a line of JSON goes out, followed by as many bytes as it says: the pixels, or none.
"""

import json
import sys

import SimpleITK


def pixels(path: str) -> tuple[dict[str, object], bytes]:
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(path)
    try:
        array = SimpleITK.GetArrayFromImage(reader.Execute())
    except RuntimeError:
        return {"error": "GDCM cannot decode it"}, b""
    return {"shape": array.shape, "type": array.dtype.str}, array.tobytes()


def series(folder: str) -> tuple[dict[str, object], bytes]:
    found = SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(folder)
    files = [len(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(folder, one)) for one in found]
    return {"files": files}, b""


def main() -> None:
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    for line in sys.stdin:
        verb, argument = json.loads(line)
        answer, content = {"pixels": pixels, "series": series}[verb](argument)
        sys.stdout.buffer.write(json.dumps({**answer, "bytes": len(content)}).encode() + b"\n" + content)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
