"""The messages of Core ML's files that are read here, in a compact notation.

Names and field numbers are those of Apple's format specification (Model.proto, MIL.proto and their neighbours, as
shipped with coremltools 9); a test compares them with the installed ones. Own copies under those names would collide
in protobuf's default pool as soon as coremltools is imported beside them, and its ``proto`` package imports all of
coremltools: so they live in a pool of their own.
"""

from __future__ import annotations

# The newest format that is known: Core ML 9, iOS 26.
NEWEST_SPECIFICATION = 10

_FEATURES = """
Model { int32 specificationVersion=1; ModelDescription description=2; bool isUpdatable=10;
    oneof Type Pipeline.Classifier pipelineClassifier=200; oneof Type Pipeline.Regressor pipelineRegressor=201;
    oneof Type Pipeline pipeline=202; oneof Type GLMRegressor glmRegressor=300;
    oneof Type SupportVectorRegressor supportVectorRegressor=301;
    oneof Type TreeEnsembleRegressor treeEnsembleRegressor=302; oneof Type Opaque neuralNetworkRegressor=303;
    oneof Type Opaque bayesianProbitRegressor=304; oneof Type GLMClassifier glmClassifier=400;
    oneof Type SupportVectorClassifier supportVectorClassifier=401;
    oneof Type TreeEnsembleClassifier treeEnsembleClassifier=402; oneof Type Opaque neuralNetworkClassifier=403;
    oneof Type KNearestNeighborsClassifier kNearestNeighborsClassifier=404; oneof Type Opaque neuralNetwork=500;
    oneof Type Opaque itemSimilarityRecommender=501; oneof Type Program mlProgram=502;
    oneof Type Opaque customModel=555; oneof Type Opaque linkedModel=556;
    oneof Type Opaque classConfidenceThresholding=560; oneof Type OneHotEncoder oneHotEncoder=600;
    oneof Type Imputer imputer=601; oneof Type FeatureVectorizer featureVectorizer=602;
    oneof Type DictVectorizer dictVectorizer=603; oneof Type Scaler scaler=604;
    oneof Type CategoricalMapping categoricalMapping=606; oneof Type Normalizer normalizer=607;
    oneof Type ArrayFeatureExtractor arrayFeatureExtractor=609;
    oneof Type NonMaximumSuppression nonMaximumSuppression=610; oneof Type Opaque identity=900;
    oneof Type Opaque textClassifier=2000; oneof Type Opaque wordTagger=2001;
    oneof Type Opaque visionFeaturePrint=2002; oneof Type Opaque soundAnalysisPreprocessing=2003;
    oneof Type Opaque gazetteer=2004; oneof Type Opaque wordEmbedding=2005; oneof Type Opaque audioFeaturePrint=2006;
    oneof Type Opaque serializedModel=3000 }
Opaque { }
ModelDescription { rep FunctionDescription functions=20; string defaultFunctionName=21; Metadata metadata=100;
    rep FeatureDescription input=1; rep FeatureDescription output=10; rep FeatureDescription state=13;
    string predictedFeatureName=11; string predictedProbabilitiesName=12 }
FunctionDescription { string name=1; rep FeatureDescription input=2; rep FeatureDescription output=3;
    rep FeatureDescription state=6; string predictedFeatureName=4; string predictedProbabilitiesName=5 }
Metadata { string shortDescription=1; string versionString=2; string author=3; string license=4;
    rep Metadata.Entry userDefined=100 }
Metadata.Entry { string key=1; string value=2 }
FeatureDescription { string name=1; string shortDescription=2; FeatureType type=3 }
FeatureType { oneof Type Opaque int64Type=1; oneof Type Opaque doubleType=2; oneof Type Opaque stringType=3;
    oneof Type ImageFeatureType imageType=4; oneof Type ArrayFeatureType multiArrayType=5;
    oneof Type DictionaryFeatureType dictionaryType=6; oneof Type SequenceFeatureType sequenceType=7;
    oneof Type StateFeatureType stateType=8; bool isOptional=1000 }
ImageFeatureType { int64 width=1; int64 height=2; oneof SizeFlexibility ImageSizes enumeratedSizes=21;
    oneof SizeFlexibility ImageSizeRange imageSizeRange=31; enum colorSpace=3 }
ImageSizes { rep ImageSize sizes=1 }
ImageSize { uint64 width=1; uint64 height=2 }
ImageSizeRange { SizeRange widthRange=1; SizeRange heightRange=2 }
SizeRange { uint64 lowerBound=1; int64 upperBound=2 }
ArrayFeatureType { rep int64 shape=1; enum dataType=2; oneof ShapeFlexibility EnumeratedShapes enumeratedShapes=21;
    oneof ShapeFlexibility ShapeRange shapeRange=31; oneof defaultOptionalValue int32 intDefaultValue=41;
    oneof defaultOptionalValue float floatDefaultValue=51; oneof defaultOptionalValue double doubleDefaultValue=61 }
EnumeratedShapes { rep Shape shapes=1 }
Shape { rep int64 shape=1 }
ShapeRange { rep SizeRange sizeRanges=1 }
DictionaryFeatureType { oneof KeyType Opaque int64KeyType=1; oneof KeyType Opaque stringKeyType=2 }
SequenceFeatureType { oneof Type Opaque int64Type=1; oneof Type Opaque stringType=3; SizeRange sizeRange=101 }
StateFeatureType { oneof Type ArrayFeatureType arrayType=1 }
"""

_PROGRAM = """
Program { int64 version=1; rep Program.FunctionEntry functions=2; string docString=3; rep Attribute attributes=4 }
Program.FunctionEntry { string key=1; Function value=2 }
Attribute { string key=1; Value value=2 }
Function { rep NamedValueType inputs=1; string opset=2; rep Function.BlockEntry block_specializations=3;
    rep Attribute attributes=4 }
Function.BlockEntry { string key=1; Block value=2 }
Block { rep NamedValueType inputs=1; rep string outputs=2; rep Operation operations=3; rep Attribute attributes=4 }
Operation { string type=1; rep Operation.InputEntry inputs=2; rep NamedValueType outputs=3; rep Block blocks=4;
    rep Attribute attributes=5 }
Operation.InputEntry { string key=1; Argument value=2 }
Argument { rep Binding arguments=1 }
Binding { oneof binding string name=1; oneof binding Value value=2 }
NamedValueType { string name=1; ValueType type=2 }
ValueType { oneof type TensorType tensorType=1; oneof type ListType listType=2; oneof type TupleType tupleType=3;
    oneof type DictionaryType dictionaryType=4; oneof type StateType stateType=5 }
TensorType { enum dataType=1; int64 rank=2; rep Dimension dimensions=3; rep Attribute attributes=4 }
Dimension { oneof dimension ConstantDimension constant=1; oneof dimension UnknownDimension unknown=2 }
ConstantDimension { uint64 size=1 }
UnknownDimension { bool variadic=1 }
ListType { ValueType type=1; Dimension length=2 }
TupleType { rep ValueType types=1 }
DictionaryType { ValueType keyType=1; ValueType valueType=2 }
StateType { ValueType wrappedType=1 }
Value { string docString=1; ValueType type=2; oneof value ImmediateValue immediateValue=3;
    oneof value BlobFileValue blobFileValue=5 }
ImmediateValue { oneof value TensorValue tensor=1; oneof value Values tuple=2; oneof value Values list=3;
    oneof value Opaque dictionary=4 }
Values { rep Value values=1 }
BlobFileValue { string fileName=1; uint64 offset=2 }
TensorValue { oneof value Floats floats=1; oneof value Ints ints=2; oneof value Bools bools=3;
    oneof value Strings strings=4; oneof value Longs longInts=5; oneof value Doubles doubles=6;
    oneof value Bytes bytes=7 }
Floats { rep float values=1 }
Ints { rep int32 values=1 }
Bools { rep bool values=1 }
Strings { rep string values=1 }
Longs { rep int64 values=1 }
Doubles { rep double values=1 }
Bytes { bytes values=1 }
"""

_CLASSICAL = """
Pipeline { rep Model models=1; rep string names=2 }
Pipeline.Classifier { Pipeline pipeline=1 }
Pipeline.Regressor { Pipeline pipeline=1 }
StringVector { rep string vector=1 }
Int64Vector { rep int64 vector=1 }
FloatVector { rep float vector=1 }
DoubleVector { rep double vector=1 }
DoubleArray { rep double value=1 }
GLMRegressor { rep DoubleArray weights=1; rep double offset=2; enum postEvaluationTransform=3 }
GLMClassifier { rep DoubleArray weights=1; rep double offset=2; enum postEvaluationTransform=3; enum classEncoding=4;
    oneof ClassLabels StringVector stringClassLabels=100; oneof ClassLabels Int64Vector int64ClassLabels=101 }
Kernel { oneof kernel Opaque linearKernel=1; oneof kernel RBFKernel rbfKernel=2; oneof kernel PolyKernel polyKernel=3;
    oneof kernel SigmoidKernel sigmoidKernel=4 }
RBFKernel { double gamma=1 }
PolyKernel { int32 degree=1; double c=2; double gamma=3 }
SigmoidKernel { double gamma=1; double c=2 }
SparseSupportVectors { rep SparseVector vectors=1 }
SparseVector { rep SparseNode nodes=1 }
SparseNode { int32 index=1; double value=2 }
DenseSupportVectors { rep DenseVector vectors=1 }
DenseVector { rep double values=1 }
Coefficients { rep double alpha=1 }
SupportVectorRegressor { Kernel kernel=1; oneof supportVectors SparseSupportVectors sparseSupportVectors=2;
    oneof supportVectors DenseSupportVectors denseSupportVectors=3; Coefficients coefficients=4; double rho=5 }
SupportVectorClassifier { Kernel kernel=1; rep int32 numberOfSupportVectorsPerClass=2;
    oneof supportVectors SparseSupportVectors sparseSupportVectors=3;
    oneof supportVectors DenseSupportVectors denseSupportVectors=4; rep Coefficients coefficients=5;
    rep double rho=6; rep double probA=7; rep double probB=8;
    oneof ClassLabels StringVector stringClassLabels=100; oneof ClassLabels Int64Vector int64ClassLabels=101 }
TreeEnsembleRegressor { TreeEnsembleParameters treeEnsemble=1; enum postEvaluationTransform=2 }
TreeEnsembleClassifier { TreeEnsembleParameters treeEnsemble=1; enum postEvaluationTransform=2;
    oneof ClassLabels StringVector stringClassLabels=100; oneof ClassLabels Int64Vector int64ClassLabels=101 }
TreeEnsembleParameters { rep TreeNode nodes=1; uint64 numPredictionDimensions=2; rep double basePredictionValue=3 }
TreeNode { uint64 treeId=1; uint64 nodeId=2; enum nodeBehavior=3; uint64 branchFeatureIndex=10;
    double branchFeatureValue=11; uint64 trueChildNodeId=12; uint64 falseChildNodeId=13;
    bool missingValueTracksTrueChild=14; rep EvaluationInfo evaluationInfo=20; double relativeHitRate=30 }
EvaluationInfo { uint64 evaluationIndex=1; double evaluationValue=2 }
KNearestNeighborsClassifier { NearestNeighborsIndex nearestNeighborsIndex=1; Int64Parameter numberOfNeighbors=3;
    oneof ClassLabels StringVector stringClassLabels=100; oneof ClassLabels Int64Vector int64ClassLabels=101;
    oneof DefaultClassLabel string defaultStringLabel=110; oneof DefaultClassLabel int64 defaultInt64Label=111;
    oneof WeightingScheme Opaque uniformWeighting=200; oneof WeightingScheme Opaque inverseDistanceWeighting=210 }
NearestNeighborsIndex { int32 numberOfDimensions=1; rep FloatVector floatSamples=2;
    oneof IndexType Opaque linearIndex=100; oneof IndexType Opaque singleKdTreeIndex=110;
    oneof DistanceFunction Opaque squaredEuclideanDistance=200 }
Int64Parameter { int64 defaultValue=1 }
OneHotEncoder { oneof CategoryType StringVector stringCategories=1; oneof CategoryType Int64Vector int64Categories=2;
    bool outputSparse=10; enum handleUnknown=11 }
Imputer { oneof ImputedValue double imputedDoubleValue=1; oneof ImputedValue int64 imputedInt64Value=2;
    oneof ImputedValue string imputedStringValue=3; oneof ImputedValue DoubleVector imputedDoubleArray=4;
    oneof ImputedValue Int64Vector imputedInt64Array=5; oneof ImputedValue StringToDouble imputedStringDictionary=6;
    oneof ImputedValue Int64ToDouble imputedInt64Dictionary=7; oneof ReplaceValue double replaceDoubleValue=11;
    oneof ReplaceValue int64 replaceInt64Value=12; oneof ReplaceValue string replaceStringValue=13 }
StringToDouble { rep StringToDouble.Entry map=1 }
StringToDouble.Entry { string key=1; double value=2 }
Int64ToDouble { rep Int64ToDouble.Entry map=1 }
Int64ToDouble.Entry { int64 key=1; double value=2 }
FeatureVectorizer { rep InputColumn inputList=1 }
InputColumn { string inputColumn=1; uint64 inputDimensions=2 }
DictVectorizer { oneof Map StringVector stringToIndex=1; oneof Map Int64Vector int64ToIndex=2 }
Scaler { rep double shiftValue=1; rep double scaleValue=2 }
CategoricalMapping { oneof MappingType StringToInt64 stringToInt64Map=1;
    oneof MappingType Int64ToString int64ToStringMap=2; oneof ValueOnUnknown string strValue=101;
    oneof ValueOnUnknown int64 int64Value=102 }
StringToInt64 { rep StringToInt64.Entry map=1 }
StringToInt64.Entry { string key=1; int64 value=2 }
Int64ToString { rep Int64ToString.Entry map=1 }
Int64ToString.Entry { int64 key=1; string value=2 }
Normalizer { enum normType=1 }
ArrayFeatureExtractor { rep uint64 extractIndex=1 }
NonMaximumSuppression { oneof SuppressionMethod PickTop pickTop=1;
    oneof ClassLabels StringVector stringClassLabels=100; oneof ClassLabels Int64Vector int64ClassLabels=101;
    double iouThreshold=110; double confidenceThreshold=111; string confidenceInputFeatureName=200;
    string coordinatesInputFeatureName=201; string iouThresholdInputFeatureName=202;
    string confidenceThresholdInputFeatureName=203; string confidenceOutputFeatureName=210;
    string coordinatesOutputFeatureName=211 }
PickTop { bool perClass=1 }
"""

SCHEMA = _FEATURES + _PROGRAM + _CLASSICAL
